"""Rows of many tables as listings: copies joined, those with a price first, every source row kept."""

from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd

from carharvest.listings.columns import Columns
from carharvest.listings.copies import exact_groups, joined, near_pairs
from carharvest.listings.fields import FIELDS, NUMBERS
from carharvest.listings.sense import Sense
from carharvest.listings.tables import Reject

Array = np.ndarray
Arrays = dict[str, Array]

_DECIMALS = {"price": 2, "power_kw": 1, "torque_nm": 1, "consumption_l_100km": 2, "consumption_kwh_100km": 2}


@dataclass(slots=True)
class TableSummary:
    """What became of one table: rows read and kept aside, rows that equal another (`exact`), rows of a car that another
    row lists already (`near`), rows with something implausible (`flagged`)."""

    name: str
    columns: Columns = field(default_factory=lambda: Columns({}))
    sense: Sense = field(default_factory=Sense)
    encoding: str = ""
    delimiter: str = ""
    rows: int = 0
    rejected: int = 0
    exact: int = 0
    near: int = 0
    flagged: int = 0

    @property
    def listings(self) -> int:
        """Listings whose first row stands in this table."""
        return self.rows - self.exact - self.near


@dataclass(frozen=True, slots=True)
class Prepared:
    """The clean table, the rows that it was made from, and what was kept aside.

    `listings` has a row for each listing, those with a price first. `sources` has a row for each row that was read:
    the number of its listing, and whether it is its `first` row, an `exact` copy of one or the same car placed again
    (`near`).
    """

    listings: pd.DataFrame
    sources: pd.DataFrame
    rejects: Sequence[Reject]
    tables: Sequence[TableSummary]


def merged(whole: Arrays, tables: Sequence[TableSummary], rejects: Sequence[Reject]) -> Prepared:
    """Joins the rows of one car. Of its rows the listing is the one with a price, then with the most told, then the
    latest, then the first; what that one lacks comes from the others, in that order."""
    groups = exact_groups(whole.pop("hash"))
    rows = len(groups)
    firsts = np.unique(groups, return_index=True)[1]
    parts = joined(groups, near_pairs(whole, firsts))
    order = _best_first(whole)
    of_part = pd.Series(order).groupby(parts[order], sort=True).first().to_numpy()  # part -> its best row
    listings = {name: values[of_part] for name, values in whole.items()}
    _fill_gaps(listings, whole, parts, order, firsts)
    priced = (listings["price"] > 0) & ~_flagged(listings["flags"], "price")
    shown = np.lexsort((of_part, ~priced))
    number = np.empty(len(shown), dtype=np.int64)
    number[shown] = np.arange(1, len(shown) + 1)
    best = np.zeros(rows, dtype=bool)
    best[of_part] = True
    same_as_best = groups == groups[of_part][parts]
    first_of_group = np.zeros(rows, dtype=bool)
    first_of_group[firsts] = True
    relation = np.where(best, "first", np.where(same_as_best | ~first_of_group, "exact", "near"))
    _count(tables, whole, relation)
    names = [table.name for table in tables]
    table = _frame({name: values[shown] for name, values in listings.items()}, names)
    table.insert(0, "listing_id", np.arange(1, len(shown) + 1))
    table.insert(list(table.columns).index("file"), "copies", np.bincount(parts)[shown])
    sources = _frame(whole, names)
    sources.insert(0, "listing_id", number[parts])
    sources.insert(1, "relation", pd.Series(pd.Categorical(relation, ["first", "exact", "near"])))
    return Prepared(table, sources, rejects, tables)


def only_plausible(found: Prepared) -> Prepared:
    """Without the listings that have a flag: they go to the rejects; their source rows stay, with no listing."""
    doubtful = found.listings["flags"] != ""
    out = found.listings[doubtful]
    rejects = [
        Reject(str(file), int(line), f"implausible: {flags}", f"{brand} {model} {title}".strip())
        for file, line, flags, brand, model, title in out[
            ["file", "line", "flags", "brand", "model", "title"]
        ].itertuples(index=False)
    ]
    sources = found.sources.copy()
    gone = sources["listing_id"].isin(out["listing_id"])
    sources["listing_id"] = sources["listing_id"].where(~gone, 0)
    return replace(found, listings=found.listings[~doubtful], sources=sources, rejects=[*found.rejects, *rejects])


def _best_first(whole: Arrays) -> Array:
    """The rows in the order in which they may stand for their listing."""
    priced = (whole["price"] > 0) & ~_flagged(whole["flags"], "price")
    told = np.zeros(len(priced), dtype=np.int64)
    for name in FIELDS:
        told += _is_told(name, whole[name])
    listed = whole["listed_at"].astype("datetime64[D]")
    day = np.where(np.isnat(listed), 0, listed.astype(np.int64))
    return np.lexsort((np.arange(len(priced)), -day, -told, ~priced))


def _fill_gaps(listings: Arrays, whole: Arrays, parts: Array, order: Array, firsts: Array) -> None:
    """What the best row lacks, from the other rows of its listing. Equal rows lack the same: one of each is asked."""
    asked = np.zeros(len(parts), dtype=bool)
    asked[firsts] = True
    several = np.bincount(parts[firsts]) > 1
    for row in order[(asked & several[parts])[order]]:
        part = parts[row]
        for name in FIELDS:
            if name == "currency":
                continue
            if _is_told(name, listings[name][part : part + 1])[0] or not _is_told(name, whole[name][row : row + 1])[0]:
                continue
            listings[name][part] = whole[name][row]
            if name == "price":
                listings["currency"][part] = whole["currency"][row]


def _is_told(name: str, values: Array) -> Array:
    if name in NUMBERS:
        return np.asarray(~np.isnan(values))
    return np.asarray(~np.isnat(values) if name == "listed_at" else values != "")


def _flagged(flags: Array, name: str) -> Array:
    different, codes = np.unique(flags.astype(str), return_inverse=True)
    return np.asarray(np.array([name in text.split() for text in different])[codes])


def _count(tables: Sequence[TableSummary], whole: Arrays, relation: Array) -> None:
    for number, table in enumerate(tables):
        own = whole["file"] == number
        table.exact = int((own & (relation == "exact")).sum())
        table.near = int((own & (relation == "near")).sum())
        table.flagged = int((own & (whole["flags"] != "")).sum())


def _frame(arrays: Arrays, names: Sequence[str]) -> pd.DataFrame:
    columns: dict[str, object] = {}
    for name, kind in FIELDS.items():
        values = arrays[name]
        if kind == "class":
            columns[name] = pd.Categorical(values)
        elif kind == "whole":
            columns[name] = pd.Series(np.round(values)).astype("Int64")
        elif kind == "number":
            columns[name] = np.round(values, _DECIMALS[name])
        elif kind == "date":
            columns[name] = values.astype("datetime64[s]")
        else:
            columns[name] = pd.array(values, dtype="string")
    columns["flags"] = pd.Categorical(arrays["flags"])
    columns["filled"] = pd.Categorical(arrays["filled"])
    columns["file"] = pd.Categorical.from_codes(arrays["file"], pd.Index(names))
    columns["line"] = arrays["line"]
    return pd.DataFrame(columns)
