"""Opens the catalog of a workspace, brings its tables up to date, and hands out transactions."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from sqlalchemy import Connection, Engine, create_engine, event, inspect, text
from sqlalchemy.exc import DatabaseError, OperationalError
from sqlalchemy.orm import Session

from carharvest.catalog.schema import Base
from carharvest.errors import DamagedWorkspace, DiskFull, NewerCatalog, NotFound

HEAD = "0004"  # the newest revision in migrations/versions; a test holds the two together
_BUSY_TIMEOUT_S = 60


class Catalog:
    """The only door to the database. `reading()` and `writing()` give sessions in a transaction."""

    def __init__(self, engine: Engine, path: Path) -> None:
        self.path = path
        self._engine = engine

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that sees one state of the catalog, whatever others write meanwhile."""
        with _undisturbed(), _translated(self.path), Session(self._engine) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session that is committed at the end and rolled back on any error. Raises DiskFull."""
        writer = self._engine.execution_options(carharvest_writes=True)
        with _undisturbed(), _translated(self.path), Session(writer) as session, session.begin():
            yield session

    @contextmanager
    def rehearsal(self) -> Iterator["Catalog"]:
        """A catalog in which everything can be tried: nothing of it is there any more at the end.

        One transaction that is rolled back; others who write wait meanwhile.
        """
        writer = self._engine.execution_options(carharvest_writes=True)
        with _translated(self.path), writer.connect() as connection, connection.begin() as outer:
            yield _Rehearsal(connection, self.path)
            outer.rollback()

    def close(self) -> None:
        self._engine.dispose()

    def __enter__(self) -> "Catalog":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


class _Rehearsal(Catalog):
    """All sessions share one connection; what one writes the next one reads."""

    def __init__(self, connection: Connection, path: Path) -> None:
        super().__init__(connection.engine, path)
        self._connection = connection

    @contextmanager
    def reading(self) -> Iterator[Session]:
        with Session(self._connection, join_transaction_mode="create_savepoint") as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with Session(self._connection, join_transaction_mode="create_savepoint") as session, session.begin():
            yield session


def open_catalog(workspace: Path, *, create: bool = False) -> Catalog:
    """The catalog of a workspace, migrated to the present version.

    Raises NotFound where there is none and `create` is false, NewerCatalog where a newer program
    wrote it, DamagedWorkspace where the file is no SQLite database.
    """
    path = workspace / "catalog.db"
    if not path.exists():
        if not create:
            raise NotFound(
                f"there is no catalog in {workspace}",
                hint="scrape something first, for example: carharvest scrape sample (or name another --workspace)",
            )
        workspace.mkdir(parents=True, exist_ok=True)
    engine = create_engine(f"sqlite:///{path}", connect_args={"timeout": _BUSY_TIMEOUT_S, "isolation_level": None})
    event.listen(engine, "connect", _on_connect)
    event.listen(engine, "begin", _on_begin)
    with _translated(path):
        _migrate(engine, path)
    return Catalog(engine, path)


def _on_connect(connection: Any, _record: object) -> None:
    cursor = connection.cursor()
    cursor.execute("PRAGMA journal_mode = WAL")
    cursor.execute("PRAGMA foreign_keys = ON")
    cursor.execute("PRAGMA synchronous = FULL")
    cursor.execute("PRAGMA cache_size = -32000")  # kB; with the usual 2,000 large inserts wait for their indexes
    cursor.close()


def _on_begin(connection: Connection) -> None:
    # A writer takes its lock at the start: two scrapes wait for each other instead of failing at commit.
    writes = connection.get_execution_options().get("carharvest_writes", False)
    connection.exec_driver_sql("BEGIN IMMEDIATE" if writes else "BEGIN")


def _migrate(engine: Engine, path: Path) -> None:
    with engine.connect() as connection:
        tables = inspect(connection).get_table_names()
        revision = None
        if "alembic_version" in tables:
            revision = connection.execute(text("SELECT version_num FROM alembic_version")).scalar()
    if revision == HEAD:
        return
    if revision is None and set(tables) - {"alembic_version"}:
        raise DamagedWorkspace(f"{path} is not a carharvest catalog", hint="name another --workspace")
    if revision is None:
        with engine.execution_options(carharvest_writes=True).connect() as connection, connection.begin():
            _make(connection)
        return

    from alembic import command  # half a second that only a new or old catalog pays
    from alembic.config import Config
    from alembic.script import ScriptDirectory

    config = Config()
    config.set_main_option("script_location", str(Path(__file__).parent / "migrations"))
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    if revision is not None and revision not in known:
        raise NewerCatalog(
            f"{path} was written by a newer carharvest (revision {revision}, this program knows up to {HEAD})",
            hint="pip install --upgrade carharvest",
        )
    with engine.execution_options(carharvest_writes=True).connect() as connection, connection.begin():
        config.attributes["connection"] = connection
        command.upgrade(config, "head")


def _make(connection: Connection) -> None:
    """The tables of a new catalog, as the migrations would make them: a test compares the two."""
    if "alembic_version" in inspect(connection).get_table_names():
        return  # another process was quicker
    Base.metadata.create_all(connection)
    connection.execute(
        text(
            "CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL, "
            "CONSTRAINT alembic_version_pkc PRIMARY KEY (version_num))"
        )
    )
    connection.execute(text("INSERT INTO alembic_version VALUES (:head)"), {"head": HEAD})


@contextmanager
def _undisturbed() -> Iterator[None]:
    """Ctrl-C and SIGTERM wait for the end of the transaction.

    Raised inside the driver, a KeyboardInterrupt can leave a connection with an open transaction, on which the next
    writer of this very process would wait.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[int] = []
    signals = (signal.SIGINT, signal.SIGTERM)
    before = {number: signal.signal(number, lambda got, _frame: caught.append(got)) for number in signals}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
    if caught:
        signal.raise_signal(caught[0])


@contextmanager
def _translated(path: Path) -> Iterator[None]:
    """SQLite's errors that a person can do something about, in our words."""
    try:
        yield
    except OperationalError as error:
        if "disk is full" in str(error.orig):
            raise DiskFull(
                f"no room left on the disk of {path}",
                hint="make space, then run the same command again: it goes on where it stopped",
            ) from error
        raise
    except DatabaseError as error:
        if "not a database" in str(error.orig) or "malformed" in str(error.orig):
            raise DamagedWorkspace(
                f"{path} is damaged: {error.orig}", hint="restore it from a backup, or name another --workspace"
            ) from error
        raise
