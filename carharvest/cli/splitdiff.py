"""carharvest split diff: what differs between two splits."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen

_SHOWN = 30


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(diff)


def diff(
    one: Annotated[str, typer.Argument(help="A split, or its folder.")],
    other: Annotated[str, typer.Argument(help="Another one.")],
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """What differs from one split to another: photos that came, went, or moved to another part or class."""
    from carharvest.settings import load_settings
    from carharvest.splits.diff import difference

    screen = Screen(quiet=quiet, as_json=as_json)
    splits = load_settings(workspace=workspace).workspace / "splits"
    found = difference(*(Path(name) if Path(name).is_dir() else splits / name for name in (one, other)))
    if as_json:
        screen.json(asdict(found))
        return
    rows = [
        *_rows("added", (("", place) for place in found.added.values())),
        *_rows("removed", ((place, "") for place in found.removed.values())),
        *_rows("moved", found.moved.values()),
        *_rows("relabelled", found.relabelled.values()),
    ]
    if rows:
        screen.table(f"from {one} to {other}", ["what", "was", "is", "photos"], rows[:_SHOWN])
    if len(rows) > _SHOWN:
        screen.say(f"… and {len(rows) - _SHOWN:,} more lines: --json has all")
    screen.say(
        f"{found.same:,} the same, {len(found.added):,} added, {len(found.removed):,} removed, "
        f"{len(found.moved):,} moved, {len(found.relabelled):,} relabelled"
    )


def _rows(what: str, changes: Iterable[tuple[str, str]]) -> list[tuple[str, str, str, int]]:
    return [(what, was, is_, count) for (was, is_), count in Counter(changes).most_common()]
