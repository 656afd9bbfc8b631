"""A piece of a table in our columns and units."""

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pandas as pd

from carharvest.listings import units
from carharvest.listings.cars import CarFinder, brand_of_file
from carharvest.listings.columns import Column, Columns
from carharvest.listings.dates import days
from carharvest.listings.fields import FIELDS, NUMBERS
from carharvest.listings.numbers import number
from carharvest.listings.overrides import Override
from carharvest.listings.sense import Sense, sense_of
from carharvest.listings.tables import Piece
from carharvest.listings.vocabulary import VALUE_FIELDS, Vocabulary, is_nothing
from carharvest.text import printable

Array = np.ndarray
_FROM_TEXT = ("year", "engine_cc", "power_kw", "fuel", "transmission", "body")
_LOOKED_AT = 2000  # rows of a table that show how it counts
_LAKH = 100_000.0
_MOST_IN_LAKH = 200.0  # median of prices that are counted so
_HP_TO_KW = (1.2, 1.5)  # horse power of titles by bare numbers of a column: they are kilowatts
_LONGEST_TEXT = 300
_LONGEST_ADDRESS = 20_000  # a cell may have the addresses of all pictures


@dataclass(slots=True)
class Reading:
    """How one table is read."""

    columns: Columns
    sense: Sense
    finder: CarFinder
    vocabulary: Vocabulary


def reading_of(
    name: str, columns: Columns, rows: Sequence[Sequence[str]], finder: CarFinder, vocabulary: Vocabulary,
    override: Override, delimiter: str, typed: bool,
) -> Reading:  # fmt: skip
    """How a table is read, decided on its first rows."""
    some = rows[:_LOOKED_AT]
    if "brand" in override.said:
        finder.table_brand, finder.said = finder.brand_of(override.said["brand"]), True
    elif "brand" not in columns.of:
        finder.table_brand = brand_of_file(name, finder)
    brands = Counter(finder.car(*_car_cells(row, columns)).brand for row in some)
    finder.favoured.update({brand: n for brand, n in brands.items() if brand in finder.reader.brands.brands})
    finder.forget()
    known = finder.reader.brands.brands
    countries: Counter[str] = Counter()
    for brand, n in brands.items():
        if brand in known:
            countries[known[brand].country] += n
    sense = sense_of(
        Counter(c.language for found in columns.of.values() for c in found if c.sure),
        delimiter,
        typed,
        _currencies(columns, some),
        _mpg(columns, some),
        countries,
        override.said,
    )
    reading = Reading(columns, sense, finder, vocabulary)
    if "power" not in override.said:
        _weigh_power(reading, some)
    _weigh_price(reading, some, countries)
    return reading


def unified(piece: Piece, reading: Reading) -> dict[str, Array]:
    """Our columns of some rows: texts as object arrays ("" where there is nothing), numbers as float64 with NaN,
    `listed_at` as datetime64[D], `filled` the fields that a text gave."""
    cells = list(zip(*piece.cells, strict=True))
    rows = len(piece.lines)
    found: dict[str, Array] = {}
    for field in FIELDS:
        columns = reading.columns.of.get(field, ())
        if field in {"brand", "model", "trim", "currency"}:
            continue
        if field == "price":
            found["price"], found["currency"] = _prices(columns, cells, rows, reading)
        elif field in NUMBERS:
            found[field] = _numbers(field, columns, cells, rows, reading)
        elif field == "listed_at":
            found[field] = days(cells[columns[0].place]) if columns else np.full(rows, "NaT", "datetime64[D]")
        else:
            found[field] = _texts(field, columns, cells, rows, reading)
    _add_cars(found, cells, rows, reading)
    return {name: found[name] for name in (*FIELDS, "filled")}


def mapped(cells: Sequence[str], read: Callable[[str], object], dtype: type) -> Array:
    """`read` of each cell; called once for each different one."""
    codes, different = pd.factorize(np.array(cells, dtype=object))
    answers: Array = np.empty(len(different), dtype=dtype)
    for place, cell in enumerate(different):
        answers[place] = read(cell)
    return np.asarray(answers[codes])


def _numbers(
    field: str, columns: Sequence[Column], cells: Sequence[Sequence[str]], rows: int, reading: Reading
) -> Array:
    found = np.full(rows, np.nan)
    for column in columns:
        read = quantity(field, column, reading.sense)
        given = mapped(cells[column.place], partial(_told, read), float)
        found = np.where(np.isnan(found), given, found)
    return found


def _told(read: Callable[[str], float], cell: str) -> float:
    return math.nan if is_nothing(cell) else read(cell)


def quantity(field: str, column: Column, sense: Sense) -> Callable[[str], float]:
    """What reads a number of that field from a cell of that column."""
    decimal = column.decimal or sense.decimal
    if field == "mileage_km":
        distance = column.unit if column.unit in {"km", "mi"} else sense.distance
        return lambda cell: units.mileage_km(cell, decimal, "mi" if distance == "mi" else "km")
    if field == "power_kw":
        known = {"kw": 1.0, "ps": units.KW_PER_METRIC_HP, "hp": units.KW_PER_HP}
        factor = known.get(column.unit, sense.kw_per_unit)
        return lambda cell: units.power_kw(cell, decimal, factor)
    if field == "consumption_l_100km":
        unit = column.unit if column.unit in {"mpg", "kmpl"} else "l"
        return lambda cell: units.consumption_l_100km(cell, decimal, unit, sense.gallon)
    simple: dict[str, Callable[[str], float]] = {
        "engine_cc": lambda cell: units.engine_cc(cell, decimal),
        "torque_nm": lambda cell: units.torque_nm(cell, decimal),
        "consumption_kwh_100km": lambda cell: units.consumption_kwh_100km(cell, decimal),
        "year": units.year,
        "doors": units.count,
        "seats": units.count,
    }
    return simple[field]


def _prices(
    columns: Sequence[Column], cells: Sequence[Sequence[str]], rows: int, reading: Reading
) -> tuple[Array, Array]:
    amounts, currencies = np.full(rows, np.nan), np.full(rows, "", dtype=object)
    for column in columns:
        decimal = column.decimal or reading.sense.decimal
        read = mapped(cells[column.place], partial(units.price, decimal=decimal), object)
        given = np.array([pair[0] for pair in read], dtype=float) * reading.sense.price_factor
        new = np.isnan(amounts) & ~np.isnan(given)
        signs = np.array([pair[1] for pair in read], dtype=object)
        unit = column.unit if column.unit.isupper() else ""
        amounts, currencies = (
            np.where(new, given, amounts),
            np.where(new, np.where(signs == "", unit, signs), currencies),
        )
    for column in reading.columns.of.get("currency", ()):
        named = mapped(cells[column.place], lambda cell: units.CURRENCIES.get(cell.strip().lower(), ""), object)
        currencies = np.where((named != "") & ~np.isnan(amounts), named, currencies)
    assumed = np.where(np.isnan(amounts), "", reading.sense.currency)
    return amounts, np.where(currencies == "", assumed, currencies)


def _texts(field: str, columns: Sequence[Column], cells: Sequence[Sequence[str]], rows: int, reading: Reading) -> Array:
    found = np.full(rows, "", dtype=object)
    read: Callable[[str], str] = _address if field in {"url", "image_url"} else _plain
    if field in VALUE_FIELDS:
        fallback = field in {"colour", "seller"}

        def read(cell: str) -> str:
            if is_nothing(cell):
                return ""
            return reading.vocabulary.kind(field, cell) or (_plain(cell) if fallback else "")

    for column in columns:
        given = mapped(cells[column.place], read, object)
        found = np.where(found == "", given, found)
    return found


def _add_cars(found: dict[str, Array], cells: Sequence[Sequence[str]], rows: int, reading: Reading) -> None:
    of = reading.columns.of
    brands, models, titles = (
        [cells[c.place] for c in of.get(name, ())] or [("",) * rows] for name in ("brand", "model", "title")
    )
    texts = titles[0] if len(titles) == 1 else [_first(options) for options in zip(*titles, strict=True)]
    names = zip(*models, strict=True)
    cars = [reading.finder.car(*key) for key in zip(brands[0], names, texts, strict=True)]
    found["brand"] = np.array([car.brand for car in cars], dtype=object)
    found["model"] = np.array([car.model for car in cars], dtype=object)
    trims = _texts("trim", of.get("trim", ()), cells, rows, reading)
    found["trim"] = np.where(trims == "", np.array([car.trim for car in cars], dtype=object), trims)
    filled = np.full(rows, "", dtype=object)
    for field in _FROM_TEXT:
        is_number = field in NUMBERS
        given = np.array([getattr(car, field) for car in cars], dtype=float if is_number else object)
        lacking = np.isnan(found[field]) if is_number else found[field] == ""
        there = lacking & (~np.isnan(given) if is_number else given != "")
        found[field] = np.where(there, given, found[field])
        if there.any():
            filled[there] = np.array([f"{before} {field}".strip() for before in filled[there]], dtype=object)
    found["filled"] = filled


def _car_cells(row: Sequence[str], columns: Columns) -> tuple[str, tuple[str, ...], str]:
    brands, models, titles = ([row[c.place] for c in columns.of.get(name, ())] for name in ("brand", "model", "title"))
    return brands[0] if brands else "", tuple(models), _first(titles)


def _first(cells: Sequence[str]) -> str:
    return next((cell for cell in cells if not is_nothing(cell)), "")


def _address(cell: str) -> str:
    return "" if is_nothing(cell) else printable(cell, _LONGEST_ADDRESS)


def _plain(cell: str) -> str:
    return "" if is_nothing(cell) else printable(cell, _LONGEST_TEXT)


def _currencies(columns: Columns, rows: Sequence[Sequence[str]]) -> Counter[str]:
    found: Counter[str] = Counter()
    for column in columns.of.get("price", ()):
        if column.unit.isupper():
            found[column.unit] += len(rows)
        for row in rows:
            currency = units.price(row[column.place], column.decimal or ".")[1]
            if currency:
                found[currency] += 1
    for column in columns.of.get("currency", ()):
        found.update(c for row in rows if (c := units.CURRENCIES.get(row[column.place].strip().lower(), "")))
    return found


def _mpg(columns: Columns, rows: Sequence[Sequence[str]]) -> list[float]:
    found = []
    for column in columns.of.get("consumption_l_100km", ()):
        for row in rows:
            cell = row[column.place].lower()
            if column.unit == "mpg" or "mpg" in cell:
                value = number(cell, column.decimal or ".")
                found += [value] if value > 0 else []
    return found


def _weigh_power(reading: Reading, rows: Sequence[Sequence[str]]) -> None:
    """Bare numbers of a power column are kilowatts where titles name 1.36 times as many horse power."""
    columns = [column for column in reading.columns.of.get("power_kw", ()) if not column.unit]
    if not columns:
        return
    ratios = []
    for row in rows:
        bare = units.power_kw(row[columns[0].place], columns[0].decimal or reading.sense.decimal, 1.0)
        told = reading.finder.car(*_car_cells(row, reading.columns)).power_kw / units.KW_PER_METRIC_HP
        if bare > 0 and told > 0:
            ratios.append(told / bare)
    if len(ratios) >= 5 and _HP_TO_KW[0] < float(np.median(ratios)) < _HP_TO_KW[1]:
        reading.sense.kw_per_unit = 1.0
        reading.sense.why["power"] = f"kilowatts: titles name {np.median(ratios):.2f} times as many horse power"


def _weigh_price(reading: Reading, rows: Sequence[Sequence[str]], countries: Counter[str]) -> None:
    """Prices such as 3.35 of a table of India's cars are counted in lakh."""
    columns = reading.columns.of.get("price", ())
    if not columns or countries["India"] < 0.3 * max(1, countries.total()):
        return
    prices = [units.price(row[columns[0].place], columns[0].decimal or reading.sense.decimal)[0] for row in rows]
    some = [price for price in prices if price > 0]
    if some and float(np.median(some)) < _MOST_IN_LAKH:
        reading.sense.price_factor = _LAKH
        reading.sense.why["price"] = (
            f"counted in lakh (100,000): the median is {np.median(some):g}, the brands are India's"
        )
