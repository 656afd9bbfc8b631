"""Reads tables of cars: delimited text of any make and Excel, plain, gzipped or zipped."""

import gzip
import io
import re
import zipfile
import zlib
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from itertools import chain, islice
from pathlib import Path
from typing import IO

from carharvest.errors import BadListings
from carharvest.listings.encodings import encoding_of
from carharvest.listings.excel import BOOKS, tables_of_book
from carharvest.listings.lines import Row, rows
from carharvest.listings.tables import PIECE_ROWS, Piece, Reject, Table, unique_header

_TEXTS = (".csv", ".tsv", ".txt", ".tab")
_DELIMITERS = (",", ";", "\t", "|")
_SAMPLE_LINES = 100
_SEP = re.compile(r'"?sep=(.)"?\s*$')  # the line with which Excel names the delimiter
_LONGEST_TEXT = 2000  # characters of a rejected line
_LONGEST_LINE = 1_000_000  # characters: a longer one is no table

Opener = Callable[[], IO[bytes]]


def files_in(paths: Sequence[Path]) -> list[Path]:
    """The files, and of folders the tables right inside them, by name. Raises BadListings for a folder without any."""
    found: list[Path] = []
    for path in paths:
        inside = sorted(file for file in path.iterdir() if _is_table(file)) if path.is_dir() else [path]
        if not inside:
            raise BadListings(f"{path} has no tables in it", hint="one of " + ", ".join((*_TEXTS, *BOOKS)))
        found += inside
    return found


def _is_table(file: Path) -> bool:
    plain = file.name.lower().removesuffix(".gz")
    return file.is_file() and plain.endswith((*_TEXTS, *BOOKS, ".zip")) and not file.name.startswith(".")


def tables_of(path: Path) -> Iterator[Table]:
    """The tables in a file: one of a text, one a sheet of a book, one a member of a .zip.

    Raises BadListings where it cannot be read or is none of these.
    """
    try:
        yield from _tables(path.name, lambda: path.open("rb"))
    except OSError as error:  # a broken gzip is one too
        raise BadListings(
            f"{path} cannot be read: {error.strerror or error}", hint="is it there, and whole?"
        ) from error
    except (EOFError, zlib.error, zipfile.BadZipFile) as error:
        raise BadListings(f"{path} breaks off or is damaged: {error}", hint="is it whole?") from error


def _tables(name: str, opened: Opener) -> Iterator[Table]:
    plain = name.lower()
    if plain.endswith(".gz"):
        yield from _tables(name[:-3], lambda: io.BufferedReader(gzip.GzipFile(fileobj=opened())))
    elif plain.endswith(".zip"):
        yield from _tables_of_zip(name, opened)
    elif plain.endswith(BOOKS):
        with opened() as raw:
            yield from tables_of_book(name, raw)
    elif plain.endswith(_TEXTS):
        yield _table_of_text(name, opened)
    else:
        raise BadListings(
            f"{name} is no table that can be read", hint=f"{', '.join((*_TEXTS, *BOOKS))}, also .gz and .zip of these"
        )


def _tables_of_zip(name: str, opened: Opener) -> Iterator[Table]:
    with opened() as raw, zipfile.ZipFile(raw) as archive:
        members = [m for m in archive.infolist() if m.filename.lower().endswith((*_TEXTS, *BOOKS))]
        if not members:
            raise BadListings(f"{name} has no table inside", hint=f"one of {', '.join((*_TEXTS, *BOOKS))}")
        for member in members:
            if member.flag_bits & 1:
                raise BadListings(f"{member.filename} in {name} is encrypted", hint="unpack it yourself")
            yield from _tables(f"{name}/{member.filename}", partial(archive.open, member))


def _table_of_text(name: str, opened: Opener) -> Table:
    with opened() as raw:
        encoding = encoding_of(raw)
    text = io.TextIOWrapper(opened(), encoding=encoding, errors="replace", newline="")
    lines = _limited(text)
    start = list(islice(lines, _SAMPLE_LINES))
    if not any(line.strip() for line in start):
        raise BadListings(f"{name} is empty", hint="is it whole?")
    first_line = 1
    said = _SEP.match(start[0])
    if said:
        start, first_line = start[1:], 2
    delimiter = said[1] if said else _delimiter(start)
    table = Table(name, (), iter(()), encoding, delimiter)
    found = rows(chain(start, lines), delimiter, first_line)
    for row in found:
        if not row.reason:
            table.header, table.header_line = unique_header(row.cells), row.line
            break
        if row.reason != "empty":
            _reject(table, row)
    table.pieces = _pieces(table, found, text)
    return table


def _pieces(table: Table, found: Iterator[Row], text: IO[str]) -> Iterator[Piece]:
    with text:
        places: list[int] = []
        cells: list[list[str]] = []
        for row in found:
            if row.reason:
                _reject(table, row)
                continue
            places.append(row.line)
            cells.append(row.cells)
            if len(places) == PIECE_ROWS:
                yield Piece(places, cells)
                places, cells = [], []
        if places:
            yield Piece(places, cells)


def _reject(table: Table, row: Row) -> None:
    table.rejects.append(Reject(table.name, row.line, row.reason, row.text.rstrip("\r\n")[:_LONGEST_TEXT]))


def _limited(text: IO[str]) -> Iterator[str]:
    while line := text.readline(_LONGEST_LINE):
        yield line


def _delimiter(start: Sequence[str]) -> str:
    """What stands between cells: of the signs in the header the one by which most rows are as wide as the header, then
    the one that makes most columns. (Detectors that do not look at the header take the commas of a description.)"""

    def regularity(delimiter: str) -> tuple[float, int]:
        found = list(rows(start, delimiter))
        width = len(found[0].cells)
        whole = sum(1 for row in found[1:] if not row.reason)
        return (whole / max(1, len(found) - 1), width) if width > 1 else (0.0, 0)

    header = next(line for line in start if line.strip())
    return max((d for d in _DELIMITERS if d in header), key=regularity, default=",")
