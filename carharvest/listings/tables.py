"""What reading gives: tables as text, in pieces, each row with its line, and what could not be read."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

PIECE_ROWS = 20_000  # of a table at once: bounds the memory


@dataclass(frozen=True, slots=True)
class Reject:
    """A row that was kept aside: where it stands, why, and what stands there (cut to 2,000 characters)."""

    file: str
    line: int
    reason: str
    text: str


@dataclass(frozen=True, slots=True)
class Piece:
    """Some rows of a table: `lines[i]` is the line (1 is the file's first) that `cells[i]` begins at."""

    lines: Sequence[int]
    cells: Sequence[Sequence[str]]


@dataclass(slots=True)
class Table:
    """One table of a file. `rejects` grows while `pieces` are taken; `typed`: its cells were numbers and dates."""

    name: str
    header: tuple[str, ...]
    pieces: Iterator[Piece]
    encoding: str = ""
    delimiter: str = ""
    typed: bool = False
    header_line: int = 1
    rejects: list[Reject] = field(default_factory=list)


def unique_header(cells: Sequence[str]) -> tuple[str, ...]:
    """The names of columns; the second of one name gets a number, one without a name its place."""
    seen: dict[str, int] = {}
    names = []
    for place, cell in enumerate(cells, start=1):
        name = " ".join(cell.split()) or f"column {place}"
        seen[name] = seen.get(name, 0) + 1
        names.append(name if seen[name] == 1 else f"{name} ({seen[name]})")
    return tuple(names)
