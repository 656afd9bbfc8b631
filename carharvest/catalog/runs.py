"""Runs: each command that wrote, its arguments, version, seed, counts and times."""

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from sqlalchemy import update

from carharvest import __version__
from carharvest.catalog.schema import RunRow
from carharvest.catalog.store import Catalog
from carharvest.errors import WorkspaceLocked


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


@contextmanager
def locked(workspace: Path, command: str) -> Iterator[None]:
    """One writer at a time in a workspace. Raises WorkspaceLocked and names the other one."""
    workspace.mkdir(parents=True, exist_ok=True)
    holder = workspace / ".lock-holder"
    lock = FileLock(workspace / ".lock")
    try:
        lock.acquire(timeout=0)
    except Timeout:
        other = holder.read_text(encoding="utf-8").strip() if holder.exists() else "another run"
        raise WorkspaceLocked(
            f"{workspace} is in use by {other}", hint="wait until it is done, or name another --workspace"
        ) from None
    try:
        holder.write_text(f"`carharvest {command}` (process {os.getpid()})\n", encoding="utf-8")
        yield
    finally:
        holder.unlink(missing_ok=True)
        lock.release()
