"""Sheets of Excel and OpenDocument books."""

import datetime
import io
from collections.abc import Iterator, Sequence
from typing import IO

from carharvest.errors import BadListings
from carharvest.listings.tables import PIECE_ROWS, Piece, Reject, Table, unique_header

BOOKS = (".xlsx", ".xlsm", ".xlsb", ".xls", ".ods")
_MOST_BYTES = 500_000_000


def tables_of_book(name: str, raw: IO[bytes]) -> Iterator[Table]:
    """A table for each sheet that has rows; numbers are written with a point, dates as 2024-05-31.

    Raises BadListings where the book cannot be read or is larger than 500 MB.
    """
    from python_calamine import CalamineError, CalamineWorkbook

    content = raw.read(_MOST_BYTES + 1)
    if len(content) > _MOST_BYTES:
        raise BadListings(f"{name} is larger than 500 MB", hint="save it as .csv")
    try:
        book = CalamineWorkbook.from_filelike(io.BytesIO(content))
        sheets = [(sheet, book.get_sheet_by_name(sheet)) for sheet in book.sheet_names]
    except CalamineError as error:
        raise BadListings(f"{name} is no book that can be read: {error}", hint="save it anew, or as .csv") from error
    filled = [(title, sheet) for title, sheet in sheets if sheet.height > 1]
    if not filled:
        raise BadListings(f"{name} has no sheet with rows", hint="is it whole?")
    for title, sheet in filled:
        label = name if len(filled) == 1 else f"{name}#{title}"
        yield _table(label, sheet.to_python(skip_empty_area=False))


def _table(name: str, values: Sequence[Sequence[object]]) -> Table:
    lines = [[_text(value) for value in row] for row in values]
    head = next((i for i, row in enumerate(lines) if sum(map(bool, row)) > 1), 0)
    while lines[head] and not lines[head][-1]:
        lines[head].pop()
    width = len(lines[head])
    table = Table(name, unique_header(lines[head]), iter(()), "", "", typed=True, header_line=head + 1)
    table.pieces = _pieces(table, lines, head, width)
    return table


def _pieces(table: Table, lines: Sequence[list[str]], head: int, width: int) -> Iterator[Piece]:
    for start in range(head + 1, len(lines), PIECE_ROWS):
        places, cells = [], []
        for place in range(start, min(start + PIECE_ROWS, len(lines))):
            row = lines[place]
            if not any(row):
                table.rejects.append(Reject(table.name, place + 1, "empty", ""))
            elif any(row[width:]):
                reason = f"cells behind the last of the header's {width}"
                table.rejects.append(Reject(table.name, place + 1, reason, "\t".join(row)[:2000]))
            else:
                places.append(place + 1)
                cells.append((row + [""] * width)[:width])
        yield Piece(places, cells)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, float):
        return str(int(value)) if value.is_integer() else repr(value)
    if isinstance(value, datetime.datetime) and value.time() == datetime.time():
        return value.date().isoformat()
    if isinstance(value, datetime.date):
        return value.isoformat()
    return "" if value is None else str(value).strip()
