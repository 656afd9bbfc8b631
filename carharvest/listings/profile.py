"""What a clean table has: rows in and out of each table, how much of each column is filled, prices as plots."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, PackageLoader, StrictUndefined

from carharvest.blobs import write_whole
from carharvest.errors import BadListings
from carharvest.listings.fields import FIELDS
from carharvest.listings.merge import Prepared
from carharvest.listings.plots import price_plots

_MOST_REJECTS = 50
_TOLD = ("brand", "fuel", "transmission", "body", "colour", "currency")
_MOST_VALUES = 12


@dataclass(frozen=True, slots=True)
class Coverage:
    """Shares (0 to 1) of rows that have something, by field: of all source rows, and of those of each table."""

    whole: Mapping[str, float]
    tables: Mapping[str, Mapping[str, float]]
    from_text: Mapping[str, float]  # of all rows, those whose value a title gave


def coverage(found: Prepared) -> Coverage:
    """How much of each field the source rows fill."""
    told = pd.DataFrame({name: is_told(found.sources[name]) for name in FIELDS})
    names = [table.name for table in found.tables]
    shares = told.groupby(found.sources["file"].astype(str)).mean()
    filled = [(str(fields).split(), int(rows)) for fields, rows in found.sources["filled"].value_counts().items()]
    from_text = {name: sum(rows for fields, rows in filled if name in fields) / len(told) for name in FIELDS}
    tables = {name: {f: float(shares[f][name]) for f in FIELDS} for name in names if name in shares.index}
    return Coverage({name: float(told[name].mean()) for name in FIELDS}, tables, from_text)


def is_told(values: "pd.Series[Any]") -> "pd.Series[bool]":
    """Where a column says something."""
    if isinstance(values.dtype, pd.CategoricalDtype):
        empty = values.cat.categories.get_indexer(pd.Index([""]))[0]
        return ~values.cat.codes.isin([empty, -1])
    return values.notna() & values.ne("")


def write_profile(found: Prepared, shares: Coverage, target: Path) -> None:
    """Writes one HTML file with its plots inside; every text from outside is escaped. May raise BadListings."""
    environment = Environment(
        loader=PackageLoader("carharvest.listings", "pages"), autoescape=True, undefined=StrictUndefined
    )
    environment.filters["share"] = _share
    listings = found.listings
    page = environment.get_template("profile.html").render(
        name=target.stem,
        tables=found.tables,
        listings=len(listings),
        rows=sum(table.rows for table in found.tables),
        rejected=len(found.rejects),
        exact=sum(table.exact for table in found.tables),
        near=sum(table.near for table in found.tables),
        priced=int((listings["price"] > 0).sum()),
        flags=_counts(listings["flags"].astype(str).str.split().explode().dropna()),
        fields=[name for name in FIELDS if shares.whole[name] > 0],
        coverage=shares,
        values={name: _counts(listings[name].astype(str)) for name in _TOLD if shares.whole[name] > 0},
        plots=list(price_plots(listings)),
        rejects=found.rejects[:_MOST_REJECTS],
    )
    try:
        write_whole(target.absolute(), page.encode("utf-8", "replace"))
    except OSError as error:
        raise BadListings(f"{target} cannot be written: {error.strerror or error}", hint="is there room?") from error


def _counts(values: "pd.Series[str]") -> Sequence[tuple[str, int]]:
    counts = values[values != ""].value_counts()
    shown = [(str(value), int(n)) for value, n in counts.head(_MOST_VALUES).items()]
    rest = int(counts.iloc[_MOST_VALUES:].sum())
    others = len(counts) - _MOST_VALUES
    return [*shown, (f"{others} other{'s' if others > 1 else ''}", rest)] if rest else shown


def _share(value: float) -> str:
    """A share for people: never 100 % or 0 % where it is not."""
    if 0 < value < 0.001:
        return "< 0.1 %"
    if 0.999 < value < 1:
        return "> 99.9 %"
    return f"{100 * value:.1f} %" if 0 < value < 1 else f"{100 * value:.0f} %"
