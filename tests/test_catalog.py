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


def test_an_older_catalog_keeps_its_photos_and_finds_its_groups_anew(tmp_path: Path) -> None:
    old_catalog(tmp_path / "old", "0002")
    with create_engine(f"sqlite:///{tmp_path / 'old' / 'catalog.db'}").begin() as connection:
        connection.exec_driver_sql("PRAGMA foreign_keys = OFF")
        connection.exec_driver_sql(
            "INSERT INTO runs VALUES (1, 'scrape', '{}', '0', 0, '2026-01-01 00:00:00', NULL, 'done', '{}')"
        )
        for number in (1, 2):
            connection.exec_driver_sql(
                "INSERT INTO photos (id, sha256, ext, format, size_bytes, width_px, height_px, exif_orientation, "
                "frames, phash, phash_mirrored, phash_flipped, phash_rotated, detail_hash, chroma, brightness, "
                "contrast, blur_var, added_at, run_id) VALUES (?, ?, 'jpg', 'JPEG', 9, 640, 480, 1, 1, 0, 0, 0, 0, "
                "x'00', x'00', 0.5, 0.2, 500, '2026-01-01 00:00:00', 1)",
                (number, f"{number:064x}"),
            )
        connection.exec_driver_sql("INSERT INTO stage_marks VALUES ('duplicates', 'k', 2, 1)")
        connection.exec_driver_sql("INSERT INTO groups VALUES (1, 'g', 'duplicates')")
        connection.exec_driver_sql(
            "INSERT INTO group_members (photo_id, group_id, relation, of_photo_id, distance_bits, detail_bits, "
            "transform) VALUES (1, 1, 'keeper', 2, 0, 0, 'none'), (2, 1, 'copy', 1, 0, 0, 'none')"
        )
    with store.open_catalog(tmp_path / "old") as migrated:
        told = status(migrated)
        assert (told.photos, told.kept, told.groups) == (2, None, {})
        with migrated.reading() as session:
            assert (
                session.execute(text("SELECT entropy_bits, border, colour, mode FROM photos")).all()
                == [(8.0, 0.0, 128.0, "")] * 2
            )
            assert session.execute(text("PRAGMA foreign_key_check")).all() == []
