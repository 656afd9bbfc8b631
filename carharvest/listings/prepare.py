"""Tables of cars from anywhere into one: read, understood, unified, flagged, joined."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import chain
from pathlib import Path

import numpy as np

from carharvest.brands import load_brands
from carharvest.errors import BadListings
from carharvest.lineup import load_lineups
from carharvest.listings.cars import CarFinder
from carharvest.listings.columns import understood
from carharvest.listings.merge import Arrays, Prepared, TableSummary, merged
from carharvest.listings.overrides import Override, load_overrides, override_for
from carharvest.listings.pieces import Crew
from carharvest.listings.plausible import flags
from carharvest.listings.read import tables_of
from carharvest.listings.reading import Reading, reading_of
from carharvest.listings.tables import Piece, Table, unique_header
from carharvest.listings.titles import TitleReader
from carharvest.listings.vocabulary import Vocabulary, load_vocabulary


@dataclass(frozen=True, slots=True)
class Understanding:
    """What tables are understood by: brands and models, the words of listings, a person's own word."""

    reader: TitleReader
    vocabulary: Vocabulary
    overrides: tuple[Override, ...] = ()


def understanding(
    brand_mapping: Path | None = None, words: Path | None = None, overrides: Path | None = None
) -> Understanding:
    """From the files that come with carharvest, or a person's own. Raises BrokenMapping with line and column."""
    vocabulary = load_vocabulary(words)
    reader = TitleReader(load_brands(brand_mapping), load_lineups(brand_mapping), vocabulary)
    return Understanding(reader, vocabulary, load_overrides(overrides))


def prepared(
    files: Sequence[Path],
    by: Understanding,
    today: date,
    progress: Callable[[int, str], None] = lambda rows, name: None,
    processes: int = 1,
) -> Prepared:
    """All tables in the files as one. `progress` hears how many rows are read, and of which table.

    Tables of more than 20,000 rows are worked on in as many processes as `processes` says.

    Raises BadListings where a file cannot be read or understood, or no row is left.
    """
    pieces: list[Arrays] = []
    tables: list[TableSummary] = []
    rejects = []
    with Crew(processes) as crew:
        for table in (table for file in files for table in tables_of(file)):
            summary = TableSummary(table.name, encoding=table.encoding, delimiter=table.delimiter)
            done = sum(before.rows for before in tables)
            for piece in _unified_pieces(table, by, summary, len(tables), crew):
                pieces.append(piece)
                progress(done + summary.rows, table.name)
            summary.rejected = len(table.rejects)
            tables.append(summary)
            rejects += table.rejects
    if not pieces:
        raise BadListings("the files have no rows that can be read", hint="look at what is in them")
    whole = {name: np.concatenate([piece.pop(name) for piece in pieces]) for name in list(pieces[0])}
    whole["flags"] = flags(whole, today)
    return merged(whole, tables, rejects)


def explained(files: Sequence[Path], by: Understanding) -> list[TableSummary]:
    """What the columns of all tables hold, and why; looks at their first rows only."""
    found = []
    for file in files:
        for table in tables_of(file):
            reading = _reading(table, _headed(table, next(table.pieces, Piece([], [])), by), by)
            found.append(TableSummary(table.name, reading.columns, reading.sense, table.encoding, table.delimiter))
    return found


def _unified_pieces(
    table: Table, by: Understanding, summary: TableSummary, number: int, crew: Crew
) -> Iterator[Arrays]:
    first = next(table.pieces, None)
    if first is None:
        return
    first = _headed(table, first, by)
    reading = _reading(table, first, by)
    summary.columns, summary.sense = reading.columns, reading.sense
    for piece, found in crew.unified(chain([first], table.pieces), reading, number):
        found["line"] = np.array(piece.lines, dtype=np.int64)
        found["file"] = np.full(len(piece.lines), number, dtype=np.int32)
        found["hash"] = np.array([hash((table.header, tuple(row))) for row in piece.cells], dtype=np.int64)
        summary.rows += len(piece.lines)
        yield found


def _headed(table: Table, first: Piece, by: Understanding) -> Piece:
    """The first rows; with the header among them where it is none: no name in it is known, but a brand or a number."""
    if any(by.vocabulary.column(name, frozenset()) for name in table.header):
        return first
    if not any(by.reader.brands.exactly(name) or name.replace(".", "").isdecimal() for name in table.header):
        return first
    row, table.header = table.header, unique_header([""] * len(table.header))
    return Piece([table.header_line, *first.lines], [row, *first.cells])


def _reading(table: Table, first: Piece, by: Understanding) -> Reading:
    finder = CarFinder(by.reader)
    override = override_for(table.name, by.overrides)
    columns = understood(
        table.header, first.cells, by.vocabulary, lambda cell: finder.brand_of(cell) != "", override, table.name
    )
    return reading_of(table, columns, first.cells, finder, by.vocabulary, override)
