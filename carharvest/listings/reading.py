"""How a table is read: which columns hold what, how it counts, and whose cars are in it; decided on its first rows."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from carharvest.listings import units
from carharvest.listings.cars import CarFinder, brand_of_file
from carharvest.listings.columns import Columns
from carharvest.listings.numbers import number
from carharvest.listings.overrides import Override
from carharvest.listings.sense import Sense, sense_of
from carharvest.listings.tables import Table
from carharvest.listings.vocabulary import Vocabulary, is_nothing

_LOOKED_AT = 2000  # rows of a table that show how it counts
_LAKH = 100_000.0
_MOST_IN_LAKH = 200.0  # median of prices that are counted so
_HP_TO_KW = (1.2, 1.5)  # horse power of titles by bare numbers of a column: they are kilowatts


@dataclass(slots=True)
class Reading:
    """How one table is read."""

    columns: Columns
    sense: Sense
    finder: CarFinder
    vocabulary: Vocabulary


def reading_of(
    table: Table,
    columns: Columns,
    rows: Sequence[Sequence[str]],
    finder: CarFinder,
    vocabulary: Vocabulary,
    override: Override,
) -> Reading:
    """How a table is read, by its first rows and what a person says of it. Raises UnknownBrand where that is none."""
    some = rows[:_LOOKED_AT]
    if "brand" in override.said:
        finder.table_brand, finder.said = finder.reader.brands.resolve(override.said["brand"]).key, True
    elif "brand" not in columns.of:
        finder.table_brand = brand_of_file(table.name, finder)
    brands = Counter(finder.car(*car_cells(row, columns)).brand for row in some)
    finder.favoured.update({brand: n for brand, n in brands.items() if brand in finder.reader.brands.brands})
    finder.forget()
    known = finder.reader.brands.brands
    countries: Counter[str] = Counter()
    for brand, n in brands.items():
        if brand in known:
            countries[known[brand].country] += n
    sense = sense_of(
        Counter(c.language for found in columns.of.values() for c in found if c.sure),
        table.delimiter,
        table.typed,
        _currencies(columns, some),
        _mpg(columns, some),
        countries,
        override.said,
    )
    reading = Reading(columns, sense, finder, vocabulary)
    if "power" not in override.said:
        _weigh_power(reading, some)
    _weigh_price(reading, some, countries)
    _say_of_distance(reading, some)
    return reading


def car_cells(row: Sequence[str], columns: Columns) -> tuple[str, tuple[str, ...], str]:
    """What a row says of its car: the cell of its brand, those of its model, its title."""
    brands, models, titles = ([row[c.place] for c in columns.of.get(name, ())] for name in ("brand", "model", "title"))
    return brands[0] if brands else "", tuple(models), first_told(titles)


def first_told(cells: Sequence[str]) -> str:
    """The first cell that says something."""
    return next((cell for cell in cells if not is_nothing(cell)), "")


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
        bare = units.power_kw(row[columns[0].place], reading.sense.decimal_of(columns[0].decimal), 1.0)
        told = reading.finder.car(*car_cells(row, reading.columns)).power_kw / units.KW_PER_METRIC_HP
        if bare > 0 and told > 0:
            ratios.append(told / bare)
    if not any(char.isalpha() for row in rows for char in row[columns[0].place]):
        reading.sense.why["power"] = "assumed metric horse power: no unit is named"
    if len(ratios) >= 5 and _HP_TO_KW[0] < float(np.median(ratios)) < _HP_TO_KW[1]:
        reading.sense.kw_per_unit = 1.0
        reading.sense.why["power"] = f"kilowatts: titles name {np.median(ratios):.2f} times as many horse power"


def _say_of_distance(reading: Reading, rows: Sequence[Sequence[str]]) -> None:
    columns = reading.columns.of.get("mileage_km", ())
    unnamed = [c for c in columns if not c.unit and not any(char.isalpha() for row in rows for char in row[c.place])]
    if not unnamed and "distance" not in reading.sense.said:
        reading.sense.why.pop("distance", None)
    elif reading.sense.distance == "km" and reading.sense.language == "en":
        reading.sense.why.setdefault("distance", "assumed kilometres: no unit is named")


def _weigh_price(reading: Reading, rows: Sequence[Sequence[str]], countries: Counter[str]) -> None:
    """Prices such as 3.35 of a table of India's cars are counted in lakh."""
    columns = reading.columns.of.get("price", ())
    if not columns and "currency" not in reading.sense.said:
        reading.sense.why.pop("currency", None)
    if not columns or countries["India"] < 0.3 * max(1, countries.total()):
        return
    prices = [units.price(row[columns[0].place], reading.sense.decimal_of(columns[0].decimal))[0] for row in rows]
    some = [price for price in prices if price > 0]
    if some and float(np.median(some)) < _MOST_IN_LAKH:
        reading.sense.price_factor = _LAKH
        reading.sense.why["price"] = (
            f"counted in lakh (100,000): the median is {np.median(some):g}, the brands are India's"
        )
