"""The catalog: migrations, what it refuses, what it keeps."""

import re
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.config import Config
from alembic.migration import MigrationContext
from alembic.script import ScriptDirectory
from conftest import Place, jpeg
from sqlalchemy import create_engine, text

from carharvest.blobs import BlobStore, file_sha256
from carharvest.catalog import store
from carharvest.catalog.runs import locked
from carharvest.catalog.schema import Base
from carharvest.catalog.story import status
from carharvest.errors import DamagedWorkspace, NewerCatalog, NotFound, WorkspaceLocked


def old_catalog(workspace: Path, revision: str) -> None:
    """A catalog as an older program made it."""
    workspace.mkdir()
    config = Config()
    config.set_main_option("script_location", str(Path(store.__file__).parent / "migrations"))
    with create_engine(f"sqlite:///{workspace / 'catalog.db'}").begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, revision)


@pytest.mark.parametrize("revision", ["0001", "head"])
def test_the_migrations_make_the_tables_of_the_models(tmp_path: Path, revision: str) -> None:
    old_catalog(tmp_path / "old", revision)
    with store.open_catalog(tmp_path / "old") as migrated, migrated.reading() as session:
        context = MigrationContext.configure(session.connection(), opts={"compare_type": False})
        assert compare_metadata(context, Base.metadata) == []
        old = dict(session.execute(TABLES).all())
    with store.open_catalog(tmp_path / "new", create=True) as made, made.reading() as session:
        new = dict(session.execute(TABLES).all())
    assert set(new) == set(old)
    assert {name: columns(sql) for name, sql in new.items()} == {name: columns(sql) for name, sql in old.items()}


TABLES = text("SELECT name, sql FROM sqlite_master WHERE sql IS NOT NULL")


def columns(sql: str) -> list[str]:
    """The parts of a CREATE statement, in any order and spacing."""
    return sorted(" ".join(part.replace('"', "").split()) for part in re.split(r"[(),]", sql))


def test_the_program_knows_its_newest_migration() -> None:
    folder = Path(store.__file__).parent / "migrations"
    assert ScriptDirectory(str(folder)).get_current_head() == store.HEAD


def test_it_writes_ahead_and_minds_foreign_keys(place: Place) -> None:
    with place.catalog.reading() as session:
        assert session.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert session.execute(text("PRAGMA foreign_keys")).scalar() == 1


def test_a_newer_catalog_is_refused(place: Place) -> None:
    with place.catalog.writing() as session:
        session.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(NewerCatalog) as raised:
        store.open_catalog(place.root)
    assert "9999" in str(raised.value)
    assert "upgrade" in raised.value.hint


def test_something_else_is_no_catalog(tmp_path: Path) -> None:
    (tmp_path / "catalog.db").write_bytes(b"not a database at all, but long enough to look at" * 50)
    with pytest.raises(DamagedWorkspace):
        store.open_catalog(tmp_path)
    with pytest.raises(NotFound):
        store.open_catalog(tmp_path / "elsewhere")


def test_a_failed_write_leaves_nothing(place: Place) -> None:
    with pytest.raises(RuntimeError), place.catalog.writing() as session:
        session.execute(text("INSERT INTO groups (key, stage) VALUES ('k', 's')"))
        raise RuntimeError
    with place.catalog.reading() as session:
        assert session.execute(text("SELECT count(*) FROM groups")).scalar() == 0


def test_an_empty_catalog_has_a_status(place: Place) -> None:
    now = status(place.catalog)
    assert (now.photos, now.kept, now.brands) == (0, None, ())


def test_a_second_writer_is_told_who_the_first_is(tmp_path: Path) -> None:
    with locked(tmp_path, "normalize"), pytest.raises(WorkspaceLocked) as raised, locked(tmp_path, "split"):
        pass
    assert "carharvest normalize" in str(raised.value)
    with locked(tmp_path, "split"):
        pass


def test_a_blob_is_named_after_its_bytes_and_written_once(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    data = jpeg(1)
    sha256 = "ab" * 32
    path = blobs.put(data, sha256, "jpg")
    assert path == tmp_path / "ab" / f"{sha256}.jpg"
    before = path.stat().st_mtime_ns
    assert blobs.put(data, sha256, "jpg").stat().st_mtime_ns == before
    assert list(blobs) == [path]
    assert len(file_sha256(path)) == 64


def test_half_a_blob_is_written_anew(tmp_path: Path) -> None:
    blobs = BlobStore(tmp_path)
    path = blobs.put(b"whole", "cd" * 32, "jpg")
    path.write_bytes(b"ha")
    assert blobs.put(b"whole", "cd" * 32, "jpg").read_bytes() == b"whole"
