"""Stages that look at thumbnails, a person's word, and runs that touch only what changed."""

import io
import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import Place, Run, jpeg
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image, ImageDraw, ImageEnhance, ImageOps
from sqlalchemy import func, select
from test_normalize import MAPPING, duplicates, photo, run_stages

from carharvest.blobs import BlobStore
from carharvest.catalog import person
from carharvest.catalog.changes import snapshot
from carharvest.catalog.groups import groups
from carharvest.catalog.opinions import photos as read_photos
from carharvest.catalog.placements import kept_photos
from carharvest.catalog.schema import LabelRow, MemberRow, PhotoRow, StageMarkRow, TieRow, TouchedRow, VerdictRow
from carharvest.catalog.store import Catalog, open_catalog
from carharvest.catalog.story import status
from carharvest.normalize.audit import AuditStage, nearest, out_of_fold, suspicious
from carharvest.normalize.base import AbsentStage, StageSummary, normalize
from carharvest.normalize.content import ContentStage
from carharvest.normalize.diversity import DiversityStage, farthest_first
from carharvest.normalize.kept import KeptArrays
from carharvest.normalize.overlay import overlay
from carharvest.normalize.proposals import WordIndex, words
from carharvest.normalize.quality import QualityStage
from carharvest.normalize.sheet import write_sheet
from carharvest.normalize.sift import agreement, features, mirrored
from carharvest.records import Candidate, Label, LocalFile, Verdict
from carharvest.sample.gallery import item_bytes, plan_gallery
from carharvest.settings import (
    AuditSettings,
    ContentSettings,
    DiversitySettings,
    QualitySettings,
    Settings,
    load_settings,
)


def scene(seed: int) -> Image.Image:
    """A drawn car, different for each seed, 480 px wide."""
    items = plan_gallery(seed, photos=84)
    item = next(item for item in items if item.trouble is None)
    with Image.open(io.BytesIO(item_bytes(items, item))) as picture:
        drawn = picture.convert("RGB")
    drawn.thumbnail((480, 480))
    return drawn


def coded(picture: Image.Image, quality: int = 90) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()


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
    assert status(copied.catalog).kept == kept
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


# --- content, audit, diversity -----------------------------------------------------------------------------


def shares(**classes: float) -> np.ndarray:
    row = np.full(1000, (1 - sum(classes.values())) / 1000)
    for name, share in classes.items():
        row[int(name[1:])] += share
    return row


@pytest.mark.parametrize(
    ("row", "entropy", "source", "kind", "drop"),
    [
        (shares(_817=0.9), 7.0, "pexels", None, None),
        (shares(_530=0.9), 2.0, "pexels", "logo", "logo"),
        (shares(_817=0.1), 2.0, "pexels", "logo", "logo"),
        (shares(_817=0.1), 7.0, "pexels", None, None),
        (shares(_530=0.99), 7.5, "pexels", "other", "no-car"),
        (shares(_530=0.99), 7.5, "sample", None, None),
        (shares(_530=0.99), 2.0, "sample", "logo", "logo"),
        (shares(_479=0.8), 7.0, "pexels", "part", None),
    ],
)
def test_content_says_what_a_photo_shows(
    row: np.ndarray, entropy: float, source: str, kind: str | None, drop: str | None
) -> None:
    seen = photo(1, entropy_bits=entropy)
    seen = replace(seen, sightings=(replace(seen.sightings[0], source=source),))
    stage = ContentStage(ContentSettings(), lambda hashes: np.ones((len(hashes), 4)), lambda _: row[None])
    opinions = list(stage.run([seen]))
    assert [o.value for o in opinions if isinstance(o, Label)] == ([kind] if kind else [])
    assert [o.reason for o in opinions if isinstance(o, Verdict) and not o.keep] == ([drop] if drop else [])


def test_without_a_thumbnail_content_says_nothing() -> None:
    stage = ContentStage(ContentSettings(), lambda hashes: np.zeros((len(hashes), 4)), lambda _: shares()[None])
    assert list(stage.run([photo(1)])) == []


def clouds(seed: int, count: int = 120) -> tuple[np.ndarray, np.ndarray]:
    """Two clouds of points, and which is which."""
    rng = np.random.default_rng(seed)
    of = np.arange(count) % 2
    return rng.normal(size=(count, 16)) + 2.5 * of[:, None] * (np.arange(16) < 4), of


@pytest.mark.parametrize("seed", [0, 1])
def test_audit_finds_flipped_labels_with_their_neighbours(seed: int) -> None:
    points, of = clouds(seed)
    flipped = {3, 20, 41, 77, 100}
    named = [1 - o if n in flipped else o for n, o in enumerate(of)]
    photos = [replace(photo(n + 1), labels={"brand": (("AUDI", "BMW")[name],)}) for n, name in enumerate(named)]
    by_sha = {p.sha256: points[p.id - 1] for p in photos}
    stage = AuditStage(AuditSettings(), lambda hashes: np.array([by_sha[h] for h in hashes]), seed=1)
    verdicts = list(stage.run(photos))
    assert {v.photo_id - 1 for v in verdicts} >= flipped - {41}
    assert len(verdicts) <= 9
    assert all(v.keep and v.reason == "wrong-brand" for v in verdicts)
    one = next(v for v in verdicts if v.photo_id == 4)
    assert one.evidence["likely"] == ("AUDI", "BMW")[of[3]]
    assert str(one.evidence["nearest"]).count(",") == 2
    believed = [replace(p, named_by_person=p.id == 4) for p in photos]
    assert 4 not in {v.photo_id for v in stage.run(believed)}
    acting = AuditStage(AuditSettings(drop=True), stage.embeddings, seed=1)
    assert not any(v.keep for v in acting.run(photos))


def test_audit_needs_two_brands_with_enough_photos() -> None:
    stage = AuditStage(AuditSettings(), lambda hashes: np.ones((len(hashes), 4)), seed=1)
    assert list(stage.run([replace(photo(n), labels={"brand": ("BMW",)}) for n in range(1, 30)])) == []


def test_nearest_leaves_out_the_photo_itself() -> None:
    points, of = clouds(3, 40)
    found = nearest(points, np.array([0, 5]))
    assert found.shape == (2, 3)
    assert 0 not in found[0]
    assert suspicious(out_of_fold(points, of, 0), of).mean() < 0.2


@given(st.integers(0, 1000), st.integers(2, 30), st.integers(1, 30))
def test_farthest_first_covers_what_it_leaves_out(seed: int, count: int, cap: int) -> None:
    points = np.random.default_rng(seed).normal(size=(count, 6))
    chosen, distance = farthest_first(points, cap)
    assert len(chosen) == len(set(chosen)) == min(cap, count)
    unit = points / np.linalg.norm(points, axis=1, keepdims=True)
    expected = (1 - unit @ unit[chosen].T).min(axis=1)
    left = sorted(set(range(count)) - set(chosen))
    assert np.allclose(distance[left], expected[left])


def test_a_cap_keeps_the_most_different_and_those_a_person_keeps() -> None:
    points = np.array([[1, 0], [0.999, 0.02], [0.998, 0.03], [0, 1]])
    photos = [replace(photo(n + 1), labels={"brand": ("BMW",)}) for n in range(4)]
    by_sha = {p.sha256: points[p.id - 1] for p in photos}

    def stage(cap: int | None) -> DiversityStage:
        return DiversityStage(DiversitySettings(cap=cap), lambda hashes: np.array([by_sha[h] for h in hashes]))

    assert list(stage(None).run(photos)) == []
    assert len({v.photo_id for v in stage(2).run(photos)} & {1, 2, 3}) == 2
    wanted = [replace(p, kept_by_person=p.id == 3) for p in photos]
    assert {v.photo_id for v in stage(2).run(wanted)} == {1, 2}


# --- quality and overlays ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"width_px": 60}, {("too-small", False)}),
        ({"width_px": 4000, "height_px": 400}, {("odd-aspect", False)}),
        ({"brightness": 0.04, "contrast": 0.03}, {("dark", False)}),
        ({"brightness": 0.1, "contrast": 0.2}, set()),
        ({"brightness": 0.95, "contrast": 0.02}, {("bright", False)}),
        ({"entropy_bits": 0.7}, {("low-information", False)}),
        ({"contrast": 0.01}, {("empty", False)}),
        ({"blur_var": 3.0}, {("blurred", False)}),
        ({"colour": 0.1}, {("grey", True)}),
        ({"border": 0.3}, {("bordered", True)}),
        ({"frames": 12}, {("animated", True)}),
        ({"mode": "CMYK"}, {("odd-mode", True)}),
        ({"mode": "RGB"}, set()),
    ],
)
def test_quality_drops_faults_and_flags_oddities(changes: dict[str, object], said: set[tuple[str, bool]]) -> None:
    seen = replace(photo(1, **changes))
    assert {(v.reason, v.keep) for v in QualityStage(QualitySettings()).run([seen])} == said


def test_banners_and_letters_are_seen_and_a_plain_photo_is_not() -> None:
    plain = scene(1)
    assert overlay(coded(plain)).banner == 0
    assert overlay(coded(plain)).letters < 6
    barred, lettered = plain.copy(), plain.copy()
    draw = ImageDraw.Draw(barred)
    draw.rectangle((0, plain.height * 0.88, plain.width, plain.height), fill=(20, 40, 110))
    draw.text((plain.width / 2, plain.height * 0.94), "AUTO 24", fill="white", anchor="mm", font_size=20)
    assert overlay(coded(barred)).banner > 0.05
    ImageDraw.Draw(lettered).text((240, 120), "CARPICTURES", fill="white", anchor="mm", font_size=30)
    assert overlay(coded(lettered)).letters >= 6


# --- names ---------------------------------------------------------------------------------------------------


def test_hard_names() -> None:
    right = found = true = 0
    for line in (Path(__file__).parent / "data" / "hard_names.tsv").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, wanted = line.split("\t")
        expected = set(wanted.split("|")) - {"-"}
        assert expected <= MAPPING.brands.keys(), line
        named = {match.brand for match in MAPPING.find(text)}
        right, found, true = right + len(named & expected), found + len(named), true + len(expected)
    assert true > 400
    assert right / found >= 0.99
    assert right / true >= 0.97


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2019 vw golf gti.jpg", {("vw", "names it"), ("golf", "a model; a brand is named")}),
        ("golf gti", {("golf", "its model, and no brand is named")}),
        ("golf course", {("golf course", "known to be no car")}),
        ("a mini budget", {("mini", "a common word, without one of its context words")}),
        ("mini in town, a cooper", {("mini", "a common word, with its context")}),
    ],
)
def test_a_text_is_explained(text: str, said: set[tuple[str, str]]) -> None:
    assert {(m.words, m.verdict) for m in MAPPING.explain(text)} == said


def test_the_mapping_that_comes_with_carharvest_is_sound(carharvest: Run) -> None:
    done = carharvest("brands", "check")
    assert done.returncode == 0, done.stdout
    assert "is sound" in done.stdout
    assert "VOLKSWAGEN" in carharvest("brands", "explain", "golf").stdout
    assert json.loads(carharvest("brands", "show", "vw", "--json").stdout)["key"] == "VOLKSWAGEN"


def test_check_names_line_and_column_of_what_is_doubtful(carharvest: Run, tmp_path: Path) -> None:
    doubtful = tmp_path / "brands.yaml"
    doubtful.write_text(
        "brands:\n"
        "  AUDI: {name: Audi, country: Germany, group: VW, tier: luxury, models: [quattro], aliases: [ауди, ауди]}\n"
        "  BMW: {name: BMW, country: G, group: BMW, tier: luxury, models: [quattro], aliases: [ауди, golf club]}\n"
        "nothing: [golf club]\n"
    )
    done = carharvest("brands", "check", "--json", CARHARVEST_BRAND_MAPPING=str(doubtful))
    assert done.returncode == 12
    told = [(p["line"], p["kind"]) for p in json.loads(done.stdout)]
    assert told == [(2, "repeated"), (3, "ambiguous"), (3, "ambiguous"), (3, "unreachable")]
    assert all(re.search(r"BMW|AUDI", p["text"]) for p in json.loads(done.stdout))


def test_copies_of_one_brand_and_view_need_no_tie_to_each_other() -> None:
    assert [o for o in duplicates([photo(1), photo(2), photo(3)]) if isinstance(o, Verdict)]


def test_catalogs_can_be_rehearsed_in(place: Place) -> None:
    bring(place, {"a.jpg": scene(1)})
    with place.catalog.rehearsal() as trial:
        person.judge(trial, [1], keep=False)
        assert _verdicts(trial) == 1
    assert _verdicts(place.catalog) == 0
    assert jpeg(1) != jpeg(2)


def _verdicts(catalog: Catalog) -> int:
    with catalog.reading() as session:
        return session.execute(select(func.count()).select_from(VerdictRow)).scalar() or 0
