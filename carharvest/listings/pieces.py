"""The pieces of a table in our columns, several at once where a table has several."""

from collections import deque
from collections.abc import Iterator
from concurrent.futures import Executor, Future
from contextlib import ExitStack
from dataclasses import dataclass, field
from itertools import chain
from types import TracebackType

import numpy as np

from carharvest.engine import local_processes
from carharvest.listings.reading import Reading
from carharvest.listings.tables import Piece
from carharvest.listings.unify import unified

Arrays = dict[str, np.ndarray]

MOST_PROCESSES = 2  # each takes 250 MB; reading, joining and writing are the rest of the time

_readings: dict[int, Reading] = {}  # of a process that works for others: it keeps what it found out of titles


@dataclass(slots=True)
class Crew:
    """Unifies pieces: one after the other in this process, or, from a table's second piece on, in `processes` others.

    They are started when they are first needed, and end with the crew.
    """

    processes: int = 1
    _executor: Executor | None = None
    _stack: ExitStack = field(default_factory=ExitStack)

    def __enter__(self) -> "Crew":
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stack.__exit__(kind, error, trace)

    def unified(self, pieces: Iterator[Piece], reading: Reading, number: int) -> Iterator[tuple[Piece, Arrays]]:
        """Each piece with its rows in our columns, in their order. `number` tells the table from the crew's others."""
        first, second = next(pieces, None), next(pieces, None)
        if first is None:
            return
        if second is None or self.processes < 2:
            for piece in chain([first], [second] if second else [], pieces):
                yield piece, unified(piece, reading)
            return
        executor = self._started()
        reading.finder.forget()
        pending: deque[tuple[Piece, Future[Arrays]]] = deque()
        for piece in chain([first, second], pieces):
            pending.append((piece, executor.submit(_unified, number, reading, piece)))
            if len(pending) > self.processes:
                done, future = pending.popleft()
                yield done, future.result()
        for done, future in pending:
            yield done, future.result()

    def _started(self) -> Executor:
        if self._executor is None:
            self._executor = self._stack.enter_context(local_processes(self.processes, ("carharvest.listings.pieces",)))
        return self._executor


def _unified(number: int, reading: Reading, piece: Piece) -> Arrays:
    if number not in _readings:
        _readings.clear()
        _readings[number] = reading
    return unified(piece, _readings[number])
