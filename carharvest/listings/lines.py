"""Rows of delimited text with their line numbers; a broken line costs itself and no other."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

_MOST_LINES = 100  # of one row: more are a quote that nobody closed
_SHAPES_FROM = 1000  # rows
_DIGIT = re.compile(r"\d")


@dataclass(frozen=True, slots=True)
class Row:
    """Cells and the line that they begin at; with a `reason` they are broken, and `text` is what stands there.

    `text` is there for the last line too where it does not end.
    """

    line: int
    cells: list[str]
    reason: str = ""
    text: str = ""


class _TooLong(csv.Error):
    pass


class _Lines:
    """Physical lines that can be given back; remembers those taken since `taken` was last cleared."""

    def __init__(self, lines: Iterable[str]) -> None:
        self._lines = iter(lines)
        self._back: deque[str] = deque()
        self.taken: list[str] = []

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        if len(self.taken) >= _MOST_LINES:
            raise _TooLong
        line = self._back.popleft() if self._back else next(self._lines)
        self.taken.append(line)
        return line

    def give_back_all_but_first(self) -> str:
        first, *rest = self.taken
        self._back.extendleft(reversed(rest))
        self.taken.clear()
        return first


def rows(lines: Iterable[str], delimiter: str, first_line: int = 1) -> Iterator[Row]:
    """The rows, the first of them the header; the others as wide as it, or with the reason why they are not.

    Line ends have to be kept in `lines`. A row may span lines where its cells are quoted.
    """
    source = _Lines(lines)
    reader = csv.reader(source, delimiter=delimiter)
    number, width = first_line, 0
    last_shapes: set[str] = set()
    seen = 0
    held: Row | None = None  # one behind, since the last row is looked at more closely
    held_open = False
    while True:
        source.taken.clear()
        try:
            cells = next(reader)
            reason = _wrong(cells, width)
        except StopIteration:
            if not source.taken:
                break
            cells, reason = [], "a quote that is never closed"
        except csv.Error as error:
            cells, reason = [], "a quote that is never closed" if isinstance(error, _TooLong) else str(error)
        taken = len(source.taken)
        ends_open = not source.taken[-1].endswith(("\n", "\r"))
        text = "".join(source.taken) if reason or ends_open else ""
        if reason and taken > 1:
            text = source.give_back_all_but_first()
            reason, taken = "a quote that is never closed", 1
            reader = csv.reader(source, delimiter=delimiter)
        elif reason and not cells:
            reader = csv.reader(source, delimiter=delimiter)
        if held is not None:
            yield held
        row = Row(number, cells[:width] if width else cells, reason, text.rstrip("\r\n"))
        number += taken
        if width == 0 and not reason:
            width = len(cells)
            yield row
            continue
        if not reason and seen < _SHAPES_FROM:
            if held is not None or seen == 0:
                last_shapes.add(_shape(row.cells[-1]))
            seen += 1
        held, held_open = row, ends_open
    if held is not None:
        yield _cut_off(held, last_shapes, seen) if held_open else held


def _wrong(cells: list[str], width: int) -> str:
    if not any(cell.strip() for cell in cells):
        return "empty"
    if not width or len(cells) == width:
        return ""
    if len(cells) < width:
        return f"{len(cells)} cells where the header has {width}"
    if any(cell.strip() for cell in cells[width:]):
        return f"{len(cells)} cells where the header has {width}"
    return ""


def _cut_off(row: Row, shapes: set[str], seen: int) -> Row:
    """The last row of a file that does not end with a line end: broken off if its last cell is the beginning of what
    stands in all other rows ("2016-03-" under dates)."""
    if row.reason:
        return Row(row.line, row.cells, f"cut off: {row.reason}", row.text) if row.reason != "empty" else row
    if seen < 3 or len(shapes - {_shape(row.cells[-1])}) != 1:
        return row
    (usual,) = shapes - {_shape(row.cells[-1])}
    own = _shape(row.cells[-1])
    if len(own) < len(usual) and usual.startswith(own):
        return Row(row.line, row.cells, "cut off", row.text)
    return row


def _shape(cell: str) -> str:
    return _DIGIT.sub("9", cell)
