"""Listings with pictures become candidates: their brand, model and year become labels of the photos."""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from carharvest.errors import BadListings
from carharvest.listings.outputs import read_listings
from carharvest.records import Annotation, Candidate, Query, WebAddress
from carharvest.text import printable

_ADDRESS = re.compile(r"https?://[^\s|\"'<>\\]+?(?=[\s|\"'<>\\]|,\s*[\"']?https?://|,?\]|$)")
_MOST_OF_ONE = 50  # pictures of one listing


@dataclass(frozen=True, slots=True)
class ListingsSource:
    """The pictures of the listings in `file`, those of `query.brand` only where it names one."""

    file: Path
    name: str = "listings"
    per_request: int = 0

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """At most `limit`, in the order of the listings. Raises BadListings where none has the address of a picture."""
        table = read_listings(self.file)
        some = table[table["image_url"].fillna("").astype(str) != ""]
        if some.empty:
            raise BadListings(
                f"no listing in {self.file} has the address of a picture", hint="its column `image_url` is empty"
            )
        given = 0
        for row in some.to_dict("records"):
            if query.brand is not None and row["brand"] != query.brand:
                continue
            for candidate in self._of(row):
                if limit is not None and given >= limit:
                    return
                yield candidate
                given += 1

    def _of(self, row: dict[Hashable, Any]) -> Iterator[Candidate]:
        brand, model, trim = (_text(row, name) for name in ("brand", "model", "trim"))
        year = "" if "year" in _text(row, "flags").split() else _text(row, "year").removesuffix(".0")
        said = Annotation((brand,) if brand else (), model=model, year=int(year) if year.isdecimal() else None)
        title = _text(row, "title") or " ".join(filter(None, (brand, model, trim, year)))
        for address in addresses(_text(row, "image_url")):
            yield Candidate(
                self.name,
                WebAddress(address),
                title=printable(title),
                page_url=_page(_text(row, "url")),
                annotation=said,
            )


def addresses(cell: str) -> list[str]:
    """The web addresses in a cell, each once: one, or several with commas, bars, blanks or quotes between them."""
    return list(dict.fromkeys(_ADDRESS.findall(cell)))[:_MOST_OF_ONE]


def _text(row: dict[Hashable, Any], name: str) -> str:
    value = row.get(name)
    return "" if value is None or pd.isna(value) else str(value)


def _page(url: str) -> str:
    return printable(url, 2000) if url.startswith(("http://", "https://")) else ""
