"""Whom to credit for each photo: as a table, as text, as a page."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, fields
from itertools import groupby
from operator import attrgetter
from typing import TYPE_CHECKING

from jinja2 import Environment, PackageLoader

from carharvest.licenses import LICENSES
from carharvest.records import KeptPhoto, Origin, Sighting

if TYPE_CHECKING:
    import pandas as pd

# Pexels' API guidelines ask for this link wherever their photos are shown.
PROVIDERS = {"pexels": ("Photos provided by Pexels", "https://www.pexels.com")}


@dataclass(frozen=True, slots=True)
class Credit:
    """The credit of one photo. `license` is an id of our vocabulary, `license_name` what people call it."""

    file: str
    sha256: str
    brand: str
    source: str
    author: str
    author_url: str
    license: str
    license_name: str
    license_url: str
    page_url: str
    url: str
    title: str


COLUMNS = [field.name for field in fields(Credit)]
_CELLS = attrgetter(*COLUMNS)
_FROM_OUTSIDE = [COLUMNS.index(name) for name in ("source", "author", "title")]  # addresses are known to be of the web
_FORMULA = ("=", "+", "-", "@", "\t", "\r")  # what a spreadsheet would run; an apostrophe in front keeps it from that


def credits_of(
    files: Iterable[tuple[str, KeptPhoto]], sightings: Mapping[int, Origin] | Mapping[int, Sighting]
) -> list[Credit]:
    """One credit a file, from the sighting that says most."""
    return [_credit(file, photo, sightings[photo.id]) for file, photo in files]


def rows_of(credits_: Iterable[Credit]) -> Iterator[list[str]]:
    """One row a photo, in the order of COLUMNS; nothing in it is run by a spreadsheet."""
    for credit in credits_:
        cells = list(_CELLS(credit))
        for place in _FROM_OUTSIDE:
            if cells[place].startswith(_FORMULA):
                cells[place] = f"'{cells[place]}"
        yield cells


def as_table(credits_: Iterable[Credit]) -> "pd.DataFrame":
    """The rows as a table."""
    import pandas as pd  # takes half a second, and a split does without

    return pd.DataFrame(rows_of(credits_), columns=COLUMNS, dtype="string")


def as_text(credits_: Iterable[Credit]) -> str:
    """Brand by brand, a line a photo, with the providers' own line at the head."""
    ordered = _ordered(credits_)
    lines = [f"{text}: {url}" for text, url in providers(ordered)]
    for brand, of_brand in groupby(ordered, key=lambda c: c.brand):
        lines += ["", brand]
        lines += [f"  {_line(credit)}" for credit in of_brand]
    return "\n".join(lines).lstrip("\n") + "\n"


def as_html(credits_: Iterable[Credit]) -> str:
    """A page; every text from outside is escaped, and only web addresses become links."""
    ordered = _ordered(credits_)
    pages = Environment(loader=PackageLoader("carharvest.splits", "pages"), autoescape=True)
    brands = [(brand, list(of_brand)) for brand, of_brand in groupby(ordered, key=lambda c: c.brand)]
    return pages.get_template("attribution.html").render(brands=brands, providers=providers(ordered))


def providers(credits_: Iterable[Credit]) -> list[tuple[str, str]]:
    """What sources want to be said of them, with the address: those that gave a photo."""
    given = {credit.source for credit in credits_}
    return [told for source, told in PROVIDERS.items() if source in given]


def _ordered(credits_: Iterable[Credit]) -> list[Credit]:
    return sorted(credits_, key=lambda c: (c.brand, c.file))


def _credit(file: str, photo: KeptPhoto, seen: Origin | Sighting) -> Credit:
    known = LICENSES.get(seen.license)
    return Credit(
        file=file,
        sha256=photo.sha256,
        brand=photo.brand,
        source=seen.source,
        author=seen.author,
        author_url=_web(seen.author_url),
        license=seen.license,
        license_name=known.name if known else "",
        license_url=_web(seen.license_url),
        page_url=_web(seen.page_url),
        url=_web(seen.url),  # a path would tell of somebody's disk
        title=seen.title or seen.alt or seen.file_name,
    )


def _line(credit: Credit) -> str:
    said = [credit.file + ":", f'"{credit.title}"' if credit.title else "", f"by {credit.author or 'unknown'}"]
    said.append(f"({credit.source})")
    said.append(f"{credit.license_name or 'licence unknown'} {credit.license_url}".strip())
    said.append(credit.page_url or credit.url)
    return " ".join(part for part in said if part)


def _web(address: str) -> str:
    """The address if it is one of the web; javascript: and the like never reach a page."""
    return address if address[:8].lower().startswith(("http://", "https://")) else ""
