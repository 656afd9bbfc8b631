"""A list of web addresses in a file: text, CSV, JSON lines or Parquet, with whatever else it says of each picture."""

import csv
import gzip
import io
import json
import zlib
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from carharvest.errors import BadPlan, MissingExtra, UnknownBrand
from carharvest.licenses import license_id, license_url
from carharvest.records import VIEW_WORDS, Candidate, Query, View, WebAddress
from carharvest.sources.base import limited
from carharvest.text import printable

# Names under which a column is known; the first that is there counts. Compared without case, blanks and underscores.
COLUMNS = {
    "url": ("url", "imageurl", "image", "imagelink", "link", "src", "href", "photo"),
    "brand": ("brand", "make", "manufacturer", "brandname", "marke", "label", "class"),
    "view": ("view", "side", "angle"),
    "title": ("title", "caption", "name", "text", "model"),
    "alt": ("alt", "alttext", "description"),
    "license": ("license", "licence", "licensename", "rights"),
    "license_url": ("licenseurl", "licenceurl", "licenselink"),
    "author": ("author", "creator", "photographer", "artist", "credit"),
    "author_url": ("authorurl", "creatorurl", "photographerurl"),
    "page_url": ("pageurl", "page", "sourcepage", "landingpage", "foreignlandingurl", "source"),
}
_LONGEST_FIELD = 10_000_000
_ROWS = 2000  # of a Parquet file at once

Row = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class UrlsSource:
    """The addresses in `file`, in its order. `brand_key` gives the key of a brand by any of its names, or raises
    UnknownBrand: then the name stays in the title, where `normalize` looks for brands too."""

    file: Path
    brand_key: Callable[[str], str]
    name: str = "urls"
    per_request: int = 0

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises BadPlan where the file cannot be read or names no addresses, MissingExtra for Parquet."""
        return limited(self._all(query), limit)

    def _all(self, query: Query) -> Iterator[Candidate]:
        keys: dict[str, str | None] = {}
        for row in _rows(self.file):
            url = _text(row, "url")
            if not url:
                continue
            named = _text(row, "brand")
            if named and named not in keys:
                try:
                    keys[named] = self.brand_key(named)
                except UnknownBrand:
                    keys[named] = None
            brand = keys.get(named) if named else None
            title = _text(row, "title")
            given = _text(row, "license")
            address = _text(row, "license_url")
            id_ = license_id(given, address)
            yield Candidate(
                source=self.name,
                place=WebAddress(url),
                query=query.text,
                brand_asked=brand or query.brand,
                view_asked=_view(_text(row, "view")) or query.view,
                title=printable(f"{named} {title}" if named and brand is None else title),
                alt=printable(_text(row, "alt"), 1000),
                author=printable(_text(row, "author")),
                author_url=printable(_text(row, "author_url")),
                license=id_,
                license_url=printable(address) or license_url(id_, given),
                page_url=printable(_text(row, "page_url"), 2000),
            )


def _rows(file: Path) -> Iterator[Row]:
    """The rows of a file with our names for its columns."""
    suffixes = [suffix.lower() for suffix in file.suffixes]
    packed = bool(suffixes) and suffixes[-1] == ".gz"
    kind = (suffixes[-2] if len(suffixes) > 1 else "") if packed else (suffixes[-1] if suffixes else "")
    try:
        if kind == ".parquet":
            yield from _parquet_rows(file)
            return
        with _opened(file, packed) as text:
            if kind in {".csv", ".tsv"}:
                yield from _csv_rows(text, file)
            elif kind in {".jsonl", ".ndjson"}:
                yield from _json_rows(text, file)
            else:
                yield from ({"url": line.strip()} for line in text if line.strip() and not line.startswith("#"))
    except OSError as error:
        raise BadPlan(f"{file} cannot be read: {error.strerror or error}", hint="is it there, and whole?") from error
    except (EOFError, zlib.error) as error:
        raise BadPlan(f"{file} breaks off", hint="is it whole?") from error


def _opened(file: Path, packed: bool) -> IO[str]:
    raw = gzip.open(file, "rb") if packed else file.open("rb")  # noqa: SIM115 - the wrapper closes it
    return io.TextIOWrapper(raw, encoding="utf-8-sig", errors="replace", newline="")


def _csv_rows(text: IO[str], file: Path) -> Iterator[Row]:
    csv.field_size_limit(_LONGEST_FIELD)
    start = text.read(65536)
    text.seek(0)
    # Only the separator is guessed: the standard library's guess of how quotes are written is wrong too often.
    separator = max(",;\t|", key=start.partition("\n")[0].count)
    reader = csv.DictReader(text, delimiter=separator)
    try:
        ours = _our_names(reader.fieldnames or [], file)
        for row in reader:
            yield {name: row[theirs] for name, theirs in ours.items()}
    except csv.Error as error:
        raise BadPlan(f"{file}, line {reader.line_num}: {error}", hint="mend the line it names") from error


def _json_rows(text: IO[str], file: Path) -> Iterator[Row]:
    for number, line in enumerate(text, start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise BadPlan(f"{file}, line {number}: {error}", hint="each line is one JSON object") from error
        if isinstance(row, str):
            yield {"url": row}
        elif isinstance(row, dict):
            yield {name: row[theirs] for name, theirs in _our_names(row, file).items()}
        else:
            raise BadPlan(f"{file}, line {number} is no JSON object", hint='like {"url": "https://…", "brand": "BMW"}')


def _parquet_rows(file: Path) -> Iterator[Row]:
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError as error:
        raise MissingExtra("Parquet needs pyarrow", hint="pip install 'carharvest[parquet]'") from error
    try:
        opened = pq.ParquetFile(file)
        ours = _our_names(opened.schema_arrow.names, file)
        for batch in opened.iter_batches(batch_size=_ROWS, columns=list(ours.values())):
            for row in batch.to_pylist():
                yield {name: row[theirs] for name, theirs in ours.items()}
    except pa.ArrowException as error:
        raise BadPlan(f"{file} is no Parquet file that can be read: {error}", hint="is it whole?") from error


def _our_names(theirs: Iterable[str], file: Path) -> dict[str, str]:
    """Our name of a column -> the file's. Raises BadPlan where no column has addresses."""
    plain = {"".join(c for c in str(name).lower() if c.isalnum()): str(name) for name in theirs}
    ours = {
        name: next(plain[known] for known in names if known in plain)
        for name, names in COLUMNS.items()
        if any(known in plain for known in names)
    }
    if "url" not in ours:
        columns = ", ".join(printable(name, 40) for name in list(plain.values())[:10])
        raise BadPlan(f"{file} has no column `url` (it has: {columns})", hint="name the column with addresses `url`")
    return ours


def _text(row: Row, name: str) -> str:
    value = row.get(name)
    return "" if value is None else str(value).strip()


def _view(text: str) -> View | None:
    plain = text.lower().replace("_", "-").replace(" ", "-")
    return next((view for view, asked in VIEW_WORDS.items() if plain in {view, asked.replace(" ", "-")}), None)
