"""Rows of delimited text with their line numbers; a broken line costs itself and no other."""

import csv
import re
from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

_MOST_LINES = 100  # of one row: more are a quote that nobody closed
_SHAPES_FROM = 1000  # rows
_FEWEST = 3  # rows that tell what the last cell usually looks like
_UNCLOSED = "a quote that is never closed"
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
    shapes: set[str] = set()  # of the last cells, behind the header and before the last row
    whole = 0
    held: Row | None = None  # one behind: the last row is looked at more closely
    for row in _parsed(_Lines(lines), delimiter, first_line):
        if held is not None:
            yield held
            if not held.reason:
                whole += 1
                if 1 < whole < _SHAPES_FROM:
                    shapes.add(_shape(held.cells[-1]))
        held = row
    if held is not None:
        yield _cut_off(held, shapes, whole - 1) if held.text and not held.text.endswith(("\n", "\r")) else held


def _parsed(source: _Lines, delimiter: str, number: int) -> Iterator[Row]:
    """The rows as the csv module reads them. One that took several lines and is broken gives back all but its first."""
    reader = csv.reader(source, delimiter=delimiter)
    width = 0
    while True:
        source.taken.clear()
        try:
            cells = next(reader)
            reason = _wrong(cells, width)
        except StopIteration:
            if not source.taken:
                return
            cells, reason = [], _UNCLOSED
        except csv.Error as error:
            cells, reason = [], _UNCLOSED if isinstance(error, _TooLong) else str(error)
        taken = len(source.taken)
        ends = source.taken[-1].endswith(("\n", "\r"))
        text = "" if ends and not reason else "".join(source.taken)
        if reason and (taken > 1 or not cells):
            reader = csv.reader(source, delimiter=delimiter)  # the old one may be inside a quote
        if reason and taken > 1:
            text, taken, reason = source.give_back_all_but_first(), 1, _UNCLOSED
        yield Row(number, cells[:width] if width else cells, reason, text)
        number += taken
        if not reason:
            width = width or len(cells)


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
    stands in all `seen` rows before it ("2016-03-" under dates)."""
    if row.reason:
        return row if row.reason == "empty" else replace(row, reason=f"cut off: {row.reason}")
    own = _shape(row.cells[-1])
    if seen < _FEWEST or len(shapes) != 1:
        return row
    (usual,) = shapes
    cut = len(own) < len(usual) and usual.startswith(own)
    return replace(row, reason="cut off") if cut else row


def _shape(cell: str) -> str:
    return _DIGIT.sub("9", cell)
