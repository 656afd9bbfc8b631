"""A piece of a table in our columns and units."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import numpy as np
import pandas as pd

from carharvest.listings import units
from carharvest.listings.columns import Column
from carharvest.listings.dates import days
from carharvest.listings.fields import FIELDS, NUMBERS
from carharvest.listings.reading import Reading, first_told
from carharvest.listings.sense import Sense
from carharvest.listings.tables import Piece
from carharvest.listings.vocabulary import VALUE_FIELDS, is_nothing
from carharvest.text import printable

Array = np.ndarray
_FROM_TEXT = ("year", "engine_cc", "power_kw", "fuel", "transmission", "body")
_LONGEST_TEXT = 300
_LONGEST_ADDRESS = 20_000  # a cell may have the addresses of all pictures


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
    decimal = sense.decimal_of(column.decimal)
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
        decimal = reading.sense.decimal_of(column.decimal)
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
    usual = np.where(np.isnan(amounts), "", reading.sense.currency)
    return amounts, usual if "currency" in reading.sense.said else np.where(currencies == "", usual, currencies)


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
    texts = titles[0] if len(titles) == 1 else [first_told(options) for options in zip(*titles, strict=True)]
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


def _address(cell: str) -> str:
    return "" if is_nothing(cell) else printable(cell, _LONGEST_ADDRESS)


def _plain(cell: str) -> str:
    return "" if is_nothing(cell) else printable(cell, _LONGEST_TEXT)
