"""Copies found by local features, a person's word, and runs that touch only what changed."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from conftest import Place, Run
from hypothesis import given
from hypothesis import strategies as st
from pictures import coded, scene
from PIL import Image, ImageEnhance, ImageOps
from sqlalchemy import func, select
from test_normalize import run_stages

from carharvest.blobs import BlobStore
from carharvest.catalog import person
from carharvest.catalog.changes import snapshot
from carharvest.catalog.groups import groups
from carharvest.catalog.opinions import photos as read_photos
from carharvest.catalog.placements import kept_photos
from carharvest.catalog.schema import LabelRow, MemberRow, PhotoRow, StageMarkRow, TieRow, TouchedRow, VerdictRow
from carharvest.catalog.store import Catalog, open_catalog
from carharvest.catalog.story import status
from carharvest.normalize.base import AbsentStage, StageSummary, normalize
from carharvest.normalize.kept import KeptArrays
from carharvest.normalize.overlay import overlay
from carharvest.normalize.proposals import WordIndex, words
from carharvest.normalize.sheet import write_sheet
from carharvest.normalize.sift import agreement, features, mirrored
from carharvest.records import Candidate, LocalFile
from carharvest.settings import (
    Settings,
    load_settings,
)

COPIES = {
    "cropped": lambda p: p.crop((p.width // 16, p.height // 16, p.width * 15 // 16, p.height * 15 // 16)),
    "turned": lambda p: p.rotate(25, expand=True, resample=Image.Resampling.BICUBIC),
    "squashed": lambda p: p.resize((p.width, p.height * 3 // 4)),
    "lighter": lambda p: ImageEnhance.Brightness(p).enhance(1.2),
    "bordered": lambda p: ImageOps.expand(p, 30, "white"),
}


# --- local features ------------------------------------------------------------------------------------


@pytest.mark.parametrize("how", COPIES)
@pytest.mark.parametrize("mirror", [False, True])
def test_a_copy_lies_over_its_original_and_another_picture_does_not(how: str, mirror: bool) -> None:
    original, other = coded(scene(1)), coded(scene(2))
    copied = COPIES[how](ImageOps.mirror(scene(1)) if mirror else scene(1))
    copy = coded(copied, 80)
    found = agreement(features(copy), features(original), (copy, original), mirror=mirror)
    assert found is not None
    assert found.inliers >= 25
    assert found.inlier_share >= 0.6
    assert found.light >= 0.97
    assert found.transform == ("mirrored" if mirror else "none")
    wrong = agreement(features(copy), features(other), (copy, other), mirror=mirror)
    assert wrong is None or wrong.inliers < 25


def test_features_of_the_mirror_image_need_no_second_search() -> None:
    straight, turned = features(coded(scene(1))), features(coded(ImageOps.mirror(scene(1))))
    looks = mirrored(straight["descriptor"]).astype(float)
    width = 1.0  # the longest side
    likeness = []
    for place, look in zip(straight["point"], looks, strict=True):
        there = np.abs(turned["point"] - [width - place[0], place[1]]).sum(axis=1)
        if there.min() < 0.002:
            beside = turned["descriptor"][there.argmin()].astype(float)
            likeness.append(look @ beside / np.linalg.norm(look) / np.linalg.norm(beside))
    assert len(likeness) > 50
    assert np.median(likeness) > 0.98


def test_plain_and_broken_thumbnails_have_no_features() -> None:
    assert len(features(coded(Image.new("RGB", (300, 200), "grey")))) == 0
    assert len(features(b"no picture")) == 0
    assert overlay(b"no picture") is None


@given(st.integers(0, 2**32 - 1), st.integers(2, 30))
def test_words_propose_every_photo_that_shares_enough_of_them(seed: int, count: int) -> None:
    rng = np.random.default_rng(seed)
    looks = rng.integers(0, 128, (count, 40, 128)).astype(np.uint8)
    twin = np.clip(looks[0].astype(int) + rng.integers(-1, 2, looks[0].shape), 0, 255).astype(np.uint8)
    rows = [words(look) for look in (*looks, twin)]
    owners = np.repeat(np.arange(count + 1), 40)
    index = WordIndex(np.concatenate(rows), owners)
    found = {(int(a), int(b)) for a, b in zip(*_flat(index, rows[-1], np.full(40, count)), strict=True)}
    assert (count, 0) in found
    assert all(a != b for a, b in found)


def _flat(index: WordIndex, asked: np.ndarray, owners: np.ndarray) -> tuple[list[int], list[int]]:
    left: list[int] = []
    right: list[int] = []
    for mine, other, _ in index.likely(asked, owners, 6):
        left += mine.tolist()
        right += other.tolist()
    return left, right


def test_kept_arrays_survive_a_broken_write(tmp_path: Path) -> None:
    kept = KeptArrays(tmp_path, {"version": 1})
    kept.add(["a" * 64, "b" * 64], [np.ones((2, 3)), np.zeros((0, 3))])
    kept.add(["c" * 64], [np.full((1, 3), 7.0)])
    (folder,) = tmp_path.iterdir()
    (folder / "1.npz").write_bytes(b"half")
    places = KeptArrays(tmp_path, {"version": 1}).places()
    assert sorted(places) == ["a" * 64, "b" * 64]
    assert places["a" * 64].read().tolist() == [[1, 1, 1], [1, 1, 1]]
    assert KeptArrays(tmp_path, {"version": 2}).places() == {}
    kept.add(["c" * 64], [np.full((1, 3), 8.0)])
    assert kept.places()["c" * 64].read().tolist() == [[8, 8, 8]]


# --- in a catalog ------------------------------------------------------------------------------------------


def bring(place: Place, pictures: dict[str, Image.Image], brand: str = "BMW") -> None:
    folder = place.root.parent / "pictures"
    folder.mkdir(exist_ok=True)
    for name, picture in pictures.items():
        (folder / name).write_bytes(coded(picture))
    place.harvest([Candidate("sample", LocalFile(str(folder / n), "1"), "car", brand, file_name=n) for n in pictures])


def curate(place: Place, chosen: Settings | None = None) -> dict[str, StageSummary]:
    return run_stages(place.catalog, (chosen or load_settings()).model_copy(update={"workspace": place.root}))


@pytest.fixture
def copied(place: Place) -> Place:
    """A drawn car, five copies of it, and another car."""
    bring(place, {"original.jpg": scene(1), "other.jpg": scene(2)} | {f"{h}.jpg": COPIES[h](scene(1)) for h in COPIES})
    return place


def test_copies_that_hashes_miss_are_dropped_and_told_with_their_numbers(copied: Place, tmp_path: Path) -> None:
    summaries = curate(copied)
    copies = summaries["duplicates"].dropped["copy"]
    assert copies >= 4  # a drawing has few features: one may be missed
    (members,) = groups(copied.catalog)
    assert [m.relation for m in members][: copies + 1] == ["keeper"] + ["copy"] * copies
    by_features = [m for m in members if m.relation == "copy" and "inliers" in m.evidence]
    assert by_features
    assert all(m.evidence["light"] >= 0.99 for m in by_features)
    sheet = tmp_path / "sheet.html"
    assert write_sheet(groups(copied.catalog), BlobStore(copied.root / "thumbs"), sheet) == 1
    page = sheet.read_text()
    assert page.count("data:image/jpeg;base64,") == len(members)
    assert "<script" not in page


def test_a_second_run_reads_no_thumbnail_and_a_new_photo_only_its_own(copied: Place) -> None:
    curate(copied)
    assert {name: s.looked_at for name, s in curate(copied).items() if s.looked_at} == {}
    for file in (copied.root / "thumbs").glob("??/*"):
        file.unlink()  # features and embeddings are kept
    bring(copied, {"mirror.jpg": ImageOps.mirror(scene(2))})
    summaries = curate(copied)
    assert summaries["features"].looked_at == summaries["hashes"].looked_at == 1
    assert summaries["duplicates"].looked_at == 2  # it, and the one that it is tied to
    assert summaries["duplicates"].dropped == {"copy": 1}


def test_a_person_outranks_every_stage_and_survives_reruns(copied: Place) -> None:
    curate(copied)
    kept = status(copied.catalog).kept
    with copied.catalog.reading() as session:
        dropped = session.execute(select(VerdictRow.photo_id).where(VerdictRow.reason == "copy")).scalars().first()
        keeper = session.execute(select(MemberRow.photo_id).where(MemberRow.relation == "keeper")).scalar_one()
    person.judge(copied.catalog, [dropped], keep=True, note="the better one")
    assert status(copied.catalog).kept == kept + 1
    curate(copied)  # now it is the keeper itself
    with copied.catalog.reading() as session:
        assert session.execute(select(MemberRow.relation).where(MemberRow.photo_id == dropped)).scalar() == "keeper"
    assert status(copied.catalog).kept <= kept  # the former keeper is its copy now
    person.judge(copied.catalog, [dropped], keep=False)
    curate(copied)
    with copied.catalog.reading() as session:
        assert session.execute(select(MemberRow.relation).where(MemberRow.photo_id == keeper)).scalar() == "keeper"
    assert person.take_back(copied.catalog, [dropped]) == 1
    curate(copied)
    assert status(copied.catalog).kept == kept
    person.name(copied.catalog, [keeper], "brand", "AUDI")
    curate(copied)
    # Its copies are called BMW, but a person has settled what it is.
    assert {k.id: k.brand for k in kept_photos(copied.catalog)}[keeper] == "AUDI"
    (seen,) = read_photos(copied.catalog, [keeper], ["brands", "duplicates"])
    assert seen.labels["brand"] == ("AUDI",)
    assert seen.named_by_person


def test_a_brand_named_by_a_person_settles_a_conflict(place: Place) -> None:
    bring(place, {"audi a4.jpg": scene(1), "plain.jpg": scene(2)}, "BMW")
    curate(place)
    assert status(place.catalog).drops == {"brand-conflict": 1}
    with place.catalog.reading() as session:
        conflicted = session.execute(select(VerdictRow.photo_id).where(~VerdictRow.keep)).scalar_one()
    person.name(place.catalog, [conflicted], "brand", "AUDI")
    assert status(place.catalog).drops == {}
    assert sorted(k.brand for k in kept_photos(place.catalog)) == ["AUDI", "BMW"]
    assert {c.brand: c.kept for c in status(place.catalog).brands} == {"AUDI": 1, "BMW": 1}


def test_a_rehearsal_tells_what_would_change_and_changes_nothing(filled: Path, with_key: Run) -> None:
    def rows() -> list[object]:
        with open_catalog(filled / "datasets") as catalog, catalog.reading() as session:
            tables = (PhotoRow, LabelRow, VerdictRow, TieRow, MemberRow, StageMarkRow, TouchedRow)
            return [session.execute(select(func.count()).select_from(t)).scalar() for t in tables] + [
                snapshot(catalog).said
            ]

    before = rows()
    strict = {"CARHARVEST_QUALITY__MIN_SIDE_PX": "400"}
    told = json.loads(with_key("normalize", "--dry-run", "--json", **strict).stdout)
    assert rows() == before
    done = with_key("normalize", "--only", "quality", "--only", "duplicates", "--json", **strict)
    assert done.returncode == 0, done.stderr
    newly = sum(c["newly"] for c in told["changes"] if c["reason"] == "too-small")
    with open_catalog(filled / "datasets") as catalog:
        dropped = status(catalog).drops["too-small"]
        assert 0 < newly <= dropped
        assert told["newly_dropped"] == len(snapshot(catalog).dropped - set(_dropped(before)))


def _dropped(rows: list[object]) -> Iterator[int]:
    said = rows[-1]
    assert isinstance(said, frozenset)
    flags = {"watermark", "grey", "bordered", "animated", "odd-mode", "wrong-brand", "car-part"}
    return (p for p, _, reason in said if reason not in flags and not reason.startswith(("brand ", "view ")))


def test_stages_can_be_chosen_and_unknown_ones_are_refused(filled: Path, with_key: Run) -> None:
    done = json.loads(with_key("normalize", "--skip", "content", "--skip", "audit", "--json").stdout)
    assert {"content", "audit"}.isdisjoint(s["stage"] for s in done["stages"])
    refused = with_key("normalize", "--only", "polish")
    assert refused.returncode == 23
    assert "the stages are names, brands" in refused.stderr


def test_keep_drop_and_label_from_the_command_line(filled: Path, with_key: Run) -> None:
    with open_catalog(filled / "datasets") as catalog:
        kept = kept_photos(catalog)[0]
    assert with_key("drop", kept.sha256, "--note", "a toy").returncode == 0
    story = json.loads(with_key("why", kept.sha256, "--json").stdout)[0]
    assert story["kept"] is False
    (word,) = [v for v in story["verdicts"] if v["stage"] == "person"]
    assert word["evidence"]["note"] == "a toy"
    assert with_key("label", kept.sha256, "--brand", "vw", "--view", "rear").returncode == 0
    assert with_key("drop", kept.sha256, "--undo").returncode == 0
    assert json.loads(with_key("why", kept.sha256, "--json").stdout)[0]["kept"] is True
    assert with_key("label", kept.sha256).returncode == 2
    assert with_key("keep", "nothing-like-it").returncode == 17


def test_without_the_extra_a_stage_says_how_to_get_it(place: Place) -> None:
    (summary,) = normalize(place.catalog, [AbsentStage("content", 'pip install "carharvest[vision]"')], run_id=0)
    assert summary.skipped.startswith("pip install")
    assert summary.looked_at == 0


def test_a_photo_whose_keeper_is_lost_is_looked_at_again(copied: Place) -> None:
    from carharvest.catalog.story import forget_photos

    curate(copied)
    with copied.catalog.reading() as session:
        keeper = session.execute(select(MemberRow.photo_id).where(MemberRow.relation == "keeper")).scalar_one()
    forget_photos(copied.catalog, [keeper])
    summaries = curate(copied)
    assert summaries["duplicates"].looked_at >= 4
    assert summaries["duplicates"].dropped["copy"] >= 3


def test_catalogs_can_be_rehearsed_in(place: Place) -> None:
    bring(place, {"a.jpg": scene(1)})
    with place.catalog.rehearsal() as trial:
        person.judge(trial, [1], keep=False)
        assert _verdicts(trial) == 1
    assert _verdicts(place.catalog) == 0


def _verdicts(catalog: Catalog) -> int:
    with catalog.reading() as session:
        return session.execute(select(func.count()).select_from(VerdictRow)).scalar() or 0
