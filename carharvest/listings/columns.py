"""Which column holds what: by its name in eight languages, and by what stands in it."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from math import isnan

from carharvest.errors import BadListings
from carharvest.listings import units
from carharvest.listings.fields import FIELDS
from carharvest.listings.numbers import Decimal, decimal_sign
from carharvest.listings.overrides import Override
from carharvest.listings.units import CURRENCIES
from carharvest.listings.vocabulary import IGNORED, VALUE_FIELDS, Named, Vocabulary, is_nothing, name_words

_DIFFERENT = 400  # values of a column that are looked at
_BY_VALUES = 0.8  # of them have to fit where the name says nothing
_MOST_TOLD_APART = 60  # different values of a column whose kind is told by them (fuels, gearboxes, bodies)
_UNIT_WORDS = frozenset(CURRENCIES) | frozenset(
    "km kms mi miles kw ps hp bhp ch cc ccm cm cm3 mpg kmpl l nm kwh".split()  # noqa: SIM905 - reads better
)
_FIRST_YEAR, _LAST_YEAR, _FEW_YEARS = 1950, 2035, 2  # numbers that are years where there are several of them
_IMAGE_ENDS = (".jpg", ".jpeg", ".png", ".webp", ".gif", ".avif")


@dataclass(frozen=True, slots=True)
class Column:
    """A column that was understood: its place and name, what it holds, why, and how much of it fits (0 to 1)."""

    place: int
    name: str
    field: str
    why: str
    fit: float
    decimal: Decimal | None = None
    unit: str = ""
    language: str = "en"
    sure: float = 0.0


@dataclass(frozen=True, slots=True)
class Columns:
    """Each field's columns, the best first: a row takes the first that has something that fits. And those left out."""

    of: Mapping[str, tuple[Column, ...]]
    left_out: Mapping[str, str] = field(default_factory=dict)  # name -> why


Fits = Callable[[str], bool]


def understood(
    header: Sequence[str],
    rows: Sequence[Sequence[str]],
    vocabulary: Vocabulary,
    is_brand: Fits,
    override: Override,
    table: str,
) -> Columns:
    """What the columns of a table hold, from its header and its first rows.

    Raises BadListings where not one is understood, or an override names a column that is not there.
    """
    values = [_different(rows, place) for place in range(len(header))]
    taken = _said(header, override, table, values)
    placed = {column.place for columns in taken.values() for column in columns}
    left_out = {header[p]: "the overrides ignore it" for p in _places(header, override.columns.get(IGNORED, ()), table)}
    unclear: list[int] = []
    for place, name in enumerate(header):
        if place in placed or name in left_out:
            continue
        named = vocabulary.column(name, _UNIT_WORDS)
        if named is not None and named.field == IGNORED:
            left_out[name] = f"{named.by!r} is known to be something else"
            continue
        column = _by_name(place, name, named, values[place], vocabulary, is_brand) if named else None
        if column is None:
            unclear.append(place)
        elif column.field not in override.columns:
            taken.setdefault(column.field, []).append(column)
    for place in unclear:
        name = header[place]
        column = _by_values(
            place, name, values[place], vocabulary, is_brand, {f for f, c in taken.items() if c[0].fit > 0.5}
        )
        named = vocabulary.column(name, _UNIT_WORDS)
        if column is not None and column.field not in override.columns:
            taken.setdefault(column.field, []).append(column)
        elif not values[place]:
            left_out[name] = "it is empty"
        else:
            left_out[name] = f"named like {named.field}, but what stands in it is none" if named else "nothing of ours"
    if not set(taken) - {"location", "seller", "url"}:
        raise BadListings(
            f"{table}: no column of it is understood ({', '.join(header[:8])})",
            hint="is the first row its header? --overrides says what columns hold",
        )
    ranked = {f: tuple(sorted(c, key=_rank)) for f, c in taken.items()}
    return Columns({name: ranked[name] for name in FIELDS if name in ranked}, left_out)


def _rank(column: Column) -> tuple[float, float, int, int]:
    """The best column of a field first; of equally good ones the one with the plainer name: "Modèle"."""
    return -round(column.fit, 1), -column.sure, len(name_words(column.name)), column.place


def _different(rows: Sequence[Sequence[str]], place: int) -> list[str]:
    found: dict[str, None] = {}
    for row in rows:
        cell = row[place].strip()
        if cell not in found and not is_nothing(cell):
            found[cell] = None
            if len(found) == _DIFFERENT:
                break
    return list(found)


def _places(header: Sequence[str], names: Sequence[str], table: str) -> list[int]:
    for name in names:
        if name not in header:
            raise BadListings(f"{table} has no column {name!r}", hint=f"it has: {', '.join(header[:20])}")
    return [header.index(name) for name in names]


def _said(
    header: Sequence[str], override: Override, table: str, values: Sequence[Sequence[str]]
) -> dict[str, list[Column]]:
    return {
        name: [
            Column(
                place, header[place], name, "said by the overrides", 1.0, decimal_sign(values[place], None),
                _unit(header[place]), sure=1.0 - rank / 100,
            )
            for rank, place in enumerate(_places(header, theirs, table))
        ]
        for name, theirs in override.columns.items()
        if name != IGNORED
    }  # fmt: skip


def _by_name(
    place: int, name: str, named: Named, values: Sequence[str], vocabulary: Vocabulary, is_brand: Fits
) -> Column | None:
    field_ = named.field
    if field_ in {"url", "image_url"}:
        field_ = _which_url(values) or (field_ if _share(values, _is_path) > 0.5 else "")
    if not field_ or not values:
        return None
    decimal = decimal_sign(values, None)
    fit = _share(values, _fits(field_, vocabulary, is_brand, decimal or "."))
    if fit == 0 or (named.sure < 0.9 and fit < 0.5):
        return None
    how = {1.0: "named", 0.95: "named, with a unit,", 0.9: "named, with a number,"}.get(named.sure, "its name has")
    why = f"{how} {named.by!r} ({named.language}); {fit:.0%} of its values fit"
    return Column(place, name, field_, why, fit, decimal, _unit(name), named.language, named.sure)


def _by_values(
    place: int, name: str, values: Sequence[str], vocabulary: Vocabulary, is_brand: Fits, have: set[str]
) -> Column | None:
    """A column whose name says nothing: only what cannot be taken for something else."""
    if not values:
        return None
    decimal = decimal_sign(values, None)
    url = _which_url(values)
    if url:
        return Column(place, name, url, "its values are web addresses", 1.0)
    told = [f for f in VALUE_FIELDS if len(values) <= _MOST_TOLD_APART]
    signs: list[tuple[str, Fits]] = [
        *((f, _kind_fits(vocabulary, f)) for f in told),
        ("brand", is_brand),
        (
            "year",
            lambda cell: (
                len(cell) == 4
                and cell.isdecimal()
                and _FIRST_YEAR <= int(cell) <= _LAST_YEAR
                and len(values) > _FEW_YEARS
            ),
        ),
        ("price", lambda cell: units.price(cell, decimal or ".")[1] != ""),
        (
            "mileage_km",
            lambda cell: _unit(cell) in {"km", "mi"} and not isnan(units.mileage_km(cell, decimal or ".", "km")),
        ),
        ("engine_cc", lambda cell: _unit(cell) == "cc" and not isnan(units.engine_cc(cell, decimal or "."))),
        (
            "power_kw",
            lambda cell: _unit(cell) in {"kw", "ps", "hp"} and not isnan(units.power_kw(cell, decimal or ".", 1.0)),
        ),
        ("torque_nm", lambda cell: "nm" in cell.lower() and not isnan(units.torque_nm(cell, decimal or "."))),
        (
            "consumption_l_100km",
            lambda cell: _unit(cell) in {"mpg", "kmpl", "l"} and _is_consumption(cell, decimal or "."),
        ),
    ]
    for field_, fits in signs:
        share = _share(values, fits)
        if field_ not in have and share >= _BY_VALUES and (len(values) > 1 or field_ not in VALUE_FIELDS):
            return Column(
                place, name, field_, f"{share:.0%} of its values look like it", share, decimal, _unit(values[0])
            )
    return None


def _fits(field_: str, vocabulary: Vocabulary, is_brand: Fits, decimal: Decimal) -> Fits:
    if field_ in VALUE_FIELDS and field_ != "seller":
        return _kind_fits(vocabulary, field_)
    quantities: dict[str, Callable[[str], float]] = {
        "price": lambda cell: units.price(cell, decimal)[0],
        "mileage_km": lambda cell: units.mileage_km(cell, decimal, "km"),
        "engine_cc": lambda cell: units.engine_cc(cell, decimal),
        "power_kw": lambda cell: units.power_kw(cell, decimal, 1.0),
        "torque_nm": lambda cell: units.torque_nm(cell, decimal),
        "consumption_l_100km": lambda cell: units.consumption_l_100km(cell, decimal, "l", "us"),
        "consumption_kwh_100km": lambda cell: units.consumption_kwh_100km(cell, decimal),
        "year": units.year,
        "doors": units.count,
        "seats": units.count,
    }
    if field_ in quantities:
        read = quantities[field_]
        return lambda cell: not isnan(read(cell)) or cell in {"0", "0.0"}
    if field_ == "brand":
        return is_brand
    if field_ == "currency":
        return lambda cell: cell.strip().lower() in CURRENCIES
    if field_ == "listed_at":
        return lambda cell: not isnan(units.year(cell)) and any(sign in cell for sign in "-./ ")
    return bool


def _kind_fits(vocabulary: Vocabulary, field_: str) -> Fits:
    return lambda cell: len(cell) < 60 and vocabulary.kind(field_, cell) != ""


def _is_consumption(cell: str, decimal: Decimal) -> bool:
    value = units.consumption_l_100km(cell, decimal, "l", "us")
    return not isnan(value) or "/kg" in cell


def _share(values: Sequence[str], fits: Fits) -> float:
    return sum(map(fits, values)) / len(values) if values else 0.0


def _which_url(values: Sequence[str]) -> str:
    """`image_url` or `url` where the values are addresses: pictures end like one, or have the word in their path."""
    some = [value.lower() for value in islice(values, 50)]
    if not some or _share(some, lambda value: value.startswith(("http://", "https://"))) < _BY_VALUES:
        return ""
    paths = [value.partition("?")[0] for value in some]
    pictures = _share(paths, lambda path: path.endswith(_IMAGE_ENDS) or "/image" in path or "/photo" in path)
    return "image_url" if pictures > 0.5 else "url"


def _is_path(value: str) -> bool:
    return value.startswith(("/", "www.")) or "://" in value


def _unit(text: str) -> str:
    """The unit that a column's name or a cell names: km, mi, kw, ps, hp, cc, mpg, kmpl, l, a currency; or ""."""
    for word in name_words(text):
        if word in {"km", "kms", "kilometers", "kilometres", "kilometer", "km driven"}:
            return "km"
        if word in {"mi", "mile", "miles"}:
            return "mi"
        if word in {"ps", "ch", "cv"}:
            return "ps"
        if word in {"hp", "bhp"}:
            return "hp"
        if word in {"cc", "ccm", "cm"}:
            return "cc"
        if word in {"kw", "mpg", "kmpl", "l"}:
            return word
        if word in CURRENCIES:
            return CURRENCIES[word]
    return ""
