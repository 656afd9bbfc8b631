"""Runs: each command that wrote, its arguments, version, seed, counts and times."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import ReadWriteLock, Timeout
from sqlalchemy import update

from carharvest import __version__
from carharvest.catalog.schema import RunRow
from carharvest.catalog.stock import take_stock
from carharvest.catalog.store import Catalog
from carharvest.errors import WorkspaceLocked

_HOLDER = ".lock-holder"


@dataclass
class Run:
    """A run in progress; what is put into `counts` is kept at its end."""

    id: int
    counts: dict[str, Any] = field(default_factory=dict)


@contextmanager
def recorded_run(catalog: Catalog, command: str, arguments: Mapping[str, Any], seed: int) -> Iterator[Run]:
    """Writes the run down at its start, and how it ended at its end."""
    with catalog.writing() as session:
        row = RunRow(
            command=command,
            arguments=dict(arguments),
            version=__version__,
            seed=seed,
            started_at=datetime.now(UTC),
            ended_at=None,
            status="running",
            counts={},
        )
        session.add(row)
        session.flush()
        run = Run(row.id)
    status = "failed"
    try:
        yield run
        status = "done"
    except KeyboardInterrupt:
        status = "interrupted"
        raise
    finally:
        with catalog.writing() as session:
            ended = {"ended_at": datetime.now(UTC), "status": status, "counts": run.counts}
            session.execute(update(RunRow).where(RunRow.id == run.id).values(**ended))
            take_stock(session)


@contextmanager
def locked(workspace: Path, command: str) -> Iterator[None]:
    """Nobody else writes in the workspace meanwhile. Raises WorkspaceLocked and names the other one."""
    lock = _lock(workspace)
    try:
        held = lock.acquire_write(blocking=False)
    except Timeout:
        raise _in_use(workspace) from None
    with held, _named(workspace, command):
        yield


@contextmanager
def shared(workspace: Path, command: str) -> Iterator[None]:
    """Others may scrape into the workspace at the same time, but nothing else. Raises WorkspaceLocked."""
    lock = _lock(workspace)
    try:
        held = lock.acquire_read(blocking=False)
    except Timeout:
        raise _in_use(workspace) from None
    with held, _named(workspace, command):
        yield


def _lock(workspace: Path) -> ReadWriteLock:
    workspace.mkdir(parents=True, exist_ok=True)
    return ReadWriteLock(workspace / ".lock.db", is_singleton=False)


def _in_use(workspace: Path) -> WorkspaceLocked:
    holder = workspace / _HOLDER
    other = holder.read_text(encoding="utf-8").strip() if holder.exists() else "another run"
    return WorkspaceLocked(
        f"{workspace} is in use by {other}", hint="wait until it is done, or name another --workspace"
    )


@contextmanager
def _named(workspace: Path, command: str) -> Iterator[None]:
    """Leaves a word for whom the lock keeps out."""
    holder = workspace / _HOLDER
    holder.write_text(f"`carharvest {command}` (process {os.getpid()})\n", encoding="utf-8")
    try:
        yield
    finally:
        holder.unlink(missing_ok=True)
