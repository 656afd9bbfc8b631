"""What a person sees: results on stdout, progress and hints on stderr."""

import json
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from itertools import zip_longest
from typing import Any

from rich import box
from rich.console import Console
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, SpinnerColumn, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

from carharvest.text import printable, without_controls

_PIPE_WIDTH = 120  # columns of a table that goes to a file or a pipe
_BAR = 32  # characters of the longest bar
_PIECES = (("█", "blue"), ("▓", "yellow"), ("░", "red"))  # of a bar: told apart without colours too


class Screen:
    """Prints for one command. With `as_json`, tables come as JSON and nothing else goes to stdout.

    `aside` sends everything to stderr: for the steps of a command whose own result is JSON.
    """

    def __init__(self, *, quiet: bool = False, as_json: bool = False, hints: bool = True, aside: bool = False) -> None:
        self.quiet = quiet
        self._hints = hints and not quiet
        self.as_json = as_json
        self._aside = aside
        self._out = Console(stderr=aside, highlight=False, soft_wrap=True)
        self._err = Console(stderr=True, highlight=False, soft_wrap=True)
        self._waiting = ""  # what the bar says of a wait

    def say(self, text: str) -> None:
        """A result in a line. With --json only the JSON is a result, so it goes to stderr."""
        (self._err if self.as_json else self._out).print(without_controls(text), markup=False)

    def hint(self, text: str) -> None:
        """What to do next."""
        if self._hints:
            self._err.print(without_controls(text), markup=False, style="dim")

    def warn(self, text: str) -> None:
        """What went wrong without ending the command."""
        self._err.print(f"warning: {without_controls(text)}", markup=False)

    def json(self, value: Any) -> None:
        print(json.dumps(value, indent=2, ensure_ascii=False, default=str))

    def table(
        self, title: str, columns: Sequence[str], rows: Sequence[Sequence[object]], drawn: Sequence[Text] = ()
    ) -> None:
        """Text left, numbers right. Texts come from outside: they are escaped and stripped of control characters.

        `drawn` goes behind each row as it is.
        """
        table = Table(box=box.SIMPLE_HEAD, pad_edge=False)
        numeric = [bool(rows) and all(isinstance(row[i], int | float) for row in rows) for i in range(len(columns))]
        for name, is_number in zip(columns, numeric, strict=True):
            table.add_column(name, justify="right" if is_number else "left", overflow="fold")
        if drawn:
            table.add_column("")
        for row, behind in zip_longest(rows, drawn):
            table.add_row(*(_cell(value) for value in row), *([behind] if drawn else []))
        console = Console(stderr=self._aside, highlight=False, width=None if self._out.is_terminal else _PIPE_WIDTH)
        console.print(printable(title), markup=False, style="bold")
        console.print(table)

    def bars(
        self,
        title: str,
        columns: Sequence[str],
        rows: Sequence[Sequence[object]],
        parts: Sequence[Sequence[int]],
        most: int,
    ) -> None:
        """A table with a bar behind each row; `parts` are its pieces, each in its own colour, `most` the longest."""
        drawn = []
        for pieces in parts:
            bar, done = Text(), 0
            for piece, (block, colour) in zip(pieces, _PIECES, strict=False):
                ends = round(_BAR * done / most), round(_BAR * (done + piece) / most)
                bar.append(block * max(ends[1] - ends[0], int(piece > 0)), style=colour)
                done += piece
            drawn.append(bar)
        self.table(title, columns, rows, drawn)

    @contextmanager
    def progress(self, what: str, total: int | None = None) -> Iterator[Callable[..., None]]:
        """Gives a function (done, total=…, text=…, note=…) that moves a bar on stderr."""
        bar = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            MofNCompleteColumn(),
            TextColumn("{task.fields[note]}"),
            TimeRemainingColumn(),
            console=self._err,
            transient=True,
            disable=self.quiet or not self._err.is_terminal,
        )
        with bar:
            task = bar.add_task(escape(what), total=total, note="")

            def move(done: int, total: int | None = None, text: str | None = None, note: str = "") -> None:
                description = None if text is None else escape(printable(text, 60))
                waiting = f"  {self._waiting}" if self._waiting else ""
                bar.update(task, completed=done, total=total, description=description, note=escape(note + waiting))

            yield move

    def count_down(self, seconds: float, why: str) -> None:
        """Waits, and shows in the bar how long still. Ends when either clock says so: the machine may have slept."""
        if not self.quiet:
            self._err.print(f"waiting {readable_time(seconds)}: {without_controls(why)}", markup=False)
        end, wall_end = time.monotonic() + seconds, time.time() + seconds
        try:
            while (left := min(end - time.monotonic(), wall_end - time.time())) > 0:
                self._waiting = f"going on in {readable_time(left)}"
                time.sleep(min(0.5, left))
        finally:
            self._waiting = ""


def _cell(value: object) -> str:
    if isinstance(value, float):
        return f"{value:,.3f}"
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return escape(printable("" if value is None else str(value), 300))


def readable_size(size_bytes: int) -> str:
    """A size for people: "12.3 MB", and "45 kB" below one."""
    return f"{size_bytes / 1e6:,.1f} MB" if size_bytes >= 1_000_000 else f"{size_bytes / 1e3:,.0f} kB"


def readable_time(seconds: float) -> str:
    """A span for people: "45 s", "12:30 min", "1:05:00 h"."""
    whole = int(seconds) + (seconds > int(seconds))
    minutes, rest = divmod(whole, 60)
    hours, minutes = divmod(minutes, 60)
    if hours:
        return f"{hours}:{minutes:02d}:{rest:02d} h"
    return f"{minutes}:{rest:02d} min" if minutes else f"{rest} s"
