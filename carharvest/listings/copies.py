"""Listings of one car, in one table or in several: equal rows, and ads that were placed again."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from carharvest.text import words

Array = np.ndarray

_MOST_KM_APART = 0.05  # of the larger: an ad placed again weeks later
_MOST_PRICE_APART = 0.25  # of the larger: the price came down
_LEAST_ALIKE = 90  # of 100: titles of one ad
_LEAST_TITLE = 3  # words of a title that can tell an ad
_LEAST_KM = 1000
_MOST_TOGETHER = 200  # rows of one block: more are a dealer's stock of one car, compared with their neighbours only
_SAME_CAR = ("fuel", "transmission", "engine_cc", "power_kw")


def exact_groups(hashes: Array) -> Array:
    """A number for each row, the same for rows with the same hash; numbered in order of the first row."""
    codes, _ = pd.factorize(hashes)
    return np.asarray(codes, dtype=np.int64)


def near_pairs(table: Mapping[str, Array], rows: Array) -> Array:
    """(n, 2) pairs of `rows` that are listings of one car though they are not equal.

    Either they have the same address; or brand, model, year and place are the same, no fuel, gearbox, engine or power
    contradicts, the titles are alike and distance and price near; or, without that, the distance is the same to the
    kilometre and not a round one, and the price is the same. (A near price would not do: of 1,590 cars of one model and
    year some have the same distance by chance; docs/listings.md has the measurement.)
    """
    pairs = [*_same_address(table, rows), *_placed_again(table, rows), *_same_distance(table, rows)]
    return np.array(sorted(set(pairs)), dtype=np.int64).reshape(-1, 2)


def joined(groups: Array, pairs: Array) -> Array:
    """The groups after joining those that a pair ties together; numbered in order of the first row."""
    count = int(groups.max(initial=-1)) + 1
    ends = groups[pairs] if len(pairs) else np.empty((0, 2), dtype=np.int64)
    graph = coo_matrix((np.ones(len(ends)), (ends[:, 0], ends[:, 1])), shape=(count, count))
    _, parts = connected_components(graph, directed=False)
    codes, _ = pd.factorize(parts[groups])
    return np.asarray(codes, dtype=np.int64)


def _same_address(table: Mapping[str, Array], rows: Array) -> Iterator[tuple[int, int]]:
    urls = table["url"][rows]
    named = rows[urls != ""]
    for block in _blocks([table["url"][named], table["file"][named]], named):
        # In one table an address that many rows have is a site's, not a listing's.
        if len(block) <= 3:
            yield from ((int(block[0]), int(row)) for row in block[1:])


def _placed_again(table: Mapping[str, Array], rows: Array) -> Iterator[tuple[int, int]]:
    from rapidfuzz import fuzz

    known = (table["title"] != "") & (table["location"] != "") & (table["brand"] != "") & ~np.isnan(table["year"])
    some = rows[known[rows]]
    keys = [table[name][some] for name in ("brand", "model", "year", "location")]
    for block in _blocks(keys, some):
        titles = [" ".join(words(table["title"][row])) for row in block]
        for i, j in _within(len(block)):
            one, other = int(block[i]), int(block[j])
            if not _agree(table, one, other):
                continue
            if not _near(table["price"], one, other, _MOST_PRICE_APART):
                continue
            if not _near(table["mileage_km"], one, other, _MOST_KM_APART):
                continue
            if min(titles[i].count(" "), titles[j].count(" ")) + 1 < _LEAST_TITLE and titles[i] != titles[j]:
                continue
            if fuzz.token_sort_ratio(titles[i], titles[j]) >= _LEAST_ALIKE:
                yield one, other


def _same_distance(table: Mapping[str, Array], rows: Array) -> Iterator[tuple[int, int]]:
    km = table["mileage_km"]
    miles = np.round(km / 1.609344)
    with np.errstate(invalid="ignore"):
        telling = (km >= _LEAST_KM) & (np.round(km) % 100 != 0) & (miles % 100 != 0)
        known = (
            telling & (table["price"] > 0) & (table["brand"] != "") & (table["model"] != "") & ~np.isnan(table["year"])
        )
    some = rows[known[rows]]
    keys = [
        np.round(table[name][some]) if name == "mileage_km" else table[name][some]
        for name in ("brand", "model", "year", "mileage_km")
    ]
    for block in _blocks(keys, some):
        for i, j in _within(len(block)):
            one, other = int(block[i]), int(block[j])
            same_money = table["currency"][one] == table["currency"][other]
            if same_money and _agree(table, one, other) and table["price"][one] == table["price"][other]:
                yield one, other


def _blocks(keys: list[Array], rows: Array) -> Iterator[Array]:
    """The rows of each combination of keys that two or more have."""
    if len(rows) < 2:
        return
    combined = np.zeros(len(rows), dtype=np.int64)
    for key in keys:
        codes, different = pd.factorize(key)
        combined, _ = pd.factorize(combined * (len(different) + 1) + codes + 1)
    order = np.argsort(combined, kind="stable")
    starts = np.flatnonzero(np.diff(combined[order], prepend=-1))
    for start, end in zip(starts, [*starts[1:], len(order)], strict=True):
        if end - start > 1:
            yield rows[order[start:end]]


def _within(count: int) -> Iterator[tuple[int, int]]:
    reach = count if count <= _MOST_TOGETHER else 2
    return ((i, j) for i in range(count) for j in range(i + 1, min(count, i + reach)))


def _agree(table: Mapping[str, Array], one: int, other: int) -> bool:
    """Whether nothing that both say of the car differs."""
    for name in _SAME_CAR:
        left, right = table[name][one], table[name][other]
        if isinstance(left, str):
            if left and right and left != right:
                return False
        elif left == left and right == right and abs(left - right) > 1:
            return False
    return True


def _near(values: Array, one: int, other: int, share: float) -> bool:
    left, right = values[one], values[other]
    return not (left > 0 and right > 0) or abs(left - right) <= share * max(left, right)
