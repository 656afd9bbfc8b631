"""The stages, held against the truth of the sample gallery and against rules that always hold."""

import json
import re
from collections import defaultdict
from collections.abc import Collection, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from carharvest.brands import load_brands
from carharvest.catalog.opinions import last_sighting_id
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.schema import LabelRow, SightingRow, VerdictRow
from carharvest.catalog.store import Catalog, open_catalog
from carharvest.catalog.ties import Prints
from carharvest.normalize.base import StageSummary, normalize
from carharvest.normalize.brands import BrandsStage
from carharvest.normalize.duplicates import DuplicatesStage
from carharvest.normalize.hamming import near_pairs
from carharvest.normalize.hashes import HashesStage
from carharvest.normalize.names import NamesStage
from carharvest.normalize.rename import random_name
from carharvest.normalize.stages import all_stages
from carharvest.normalize.views import ViewsStage
from carharvest.records import Fingerprint, Label, Membership, Opinion, Photo, Sighting, Tie, Verdict
from carharvest.settings import DuplicateSettings, Settings, load_settings

MAPPING = load_brands()
PRINT = Fingerprint(
    "JPEG", "jpg", 640, 480, 1, 1, 0, 0, 0, 0, bytes(32), bytes(32), brightness=0.5, contrast=0.2, blur_var=500
)  # fmt: skip
SEEN = Sighting("test", "u", "", None, None, "", "", "", "", "", "", "", "", "", "2026-01-01T00:00:00+00:00")


def photo(id_: int = 1, *sightings: Sighting, **changes: object) -> Photo:
    print_ = replace(PRINT, **changes)
    return Photo(id_, f"{id_:064x}", 1000, print_, sightings or (SEEN,))


def run_stages(catalog: Catalog, chosen: Settings | None = None) -> dict[str, StageSummary]:
    with recorded_run(catalog, "normalize", {}, 0) as run:
        summaries = normalize(catalog, all_stages(chosen or load_settings(), MAPPING, catalog), run_id=run.id)
    return {summary.stage: summary for summary in summaries}


# --- against the gallery's truth ---------------------------------------------------------------------


@pytest.fixture
def seen(filled: Path) -> dict[int, tuple[set[str], set[str], set[str]]]:
    """By the gallery's number of a photo: its brands, its views, the reasons to drop it."""
    found: dict[int, tuple[set[str], set[str], set[str]]] = {}
    with open_catalog(filled / "datasets") as catalog, catalog.reading() as session:
        labels, drops = defaultdict(set), defaultdict(set)
        for label in session.scalars(select(LabelRow)):
            labels[label.photo_id, label.kind].add(label.value)
        for verdict in session.scalars(select(VerdictRow).where(~VerdictRow.keep)):
            drops[verdict.photo_id].add(verdict.reason)
        for sighting in session.scalars(select(SightingRow)):
            match = re.search(r"/photos/(\d+)/", sighting.url)
            assert match
            id_ = sighting.photo_id
            found[int(match[1])] = (labels[id_, "brand"], labels[id_, "view"], drops[id_])
    return found


@pytest.fixture
def true(filled: Path) -> list[dict[str, object]]:
    return list(json.loads((filled / "datasets" / "sample" / "truth.json").read_text()))


def test_all_but_the_truncated_files_became_photos(seen: dict[int, object], true: list[dict[str, object]]) -> None:
    assert {t["id"] for t in true if t["trouble"] == "truncated"} == {t["id"] for t in true} - seen.keys()


def test_brands_are_those_asked_for_and_contradictions_are_conflicts(
    seen: dict[int, tuple[set[str], set[str], set[str]]], true: list[dict[str, object]]
) -> None:
    conflicts = 0
    for t in true:
        if t["id"] not in seen:
            continue
        brands, _, drops = seen[t["id"]]
        assert t["found_under"] in brands
        if "brand-conflict" in drops:
            conflicts += 1
            assert brands == {t["brand"], t["found_under"]}
            assert t["trouble"] == "mislabelled"
    assert conflicts >= 3


def test_quality_drops_what_is_blurred_or_tiny_and_little_else(
    seen: dict[int, tuple[set[str], set[str], set[str]]], true: list[dict[str, object]]
) -> None:
    wrong = 0
    for t in true:
        drops = seen.get(t["id"], (set(), set(), set()))[2] & {"blurred", "too-small", "dark", "bright", "empty"}
        if t["trouble"] == "blurred":
            assert "blurred" in drops or "dark" in drops
        elif t["trouble"] == "tiny":
            assert drops == {"too-small"}
        else:
            wrong += bool(drops)
    assert wrong <= 0.01 * len(true)


def test_of_a_picture_and_its_copies_one_is_kept(
    seen: dict[int, tuple[set[str], set[str], set[str]]], true: list[dict[str, object]]
) -> None:
    families: dict[object, list[int]] = defaultdict(list)
    for t in true:
        if t["trouble"] in {None, "near-copy", "mirrored-copy", "exact-copy"}:
            families[t["copy_of"] if t["copy_of"] is not None else t["id"]].append(t["id"])
    alone = copied = 0
    for members in families.values():
        kept = {id(seen[m]) for m in members if m in seen and not seen[m][2]}
        if len(members) == 1:
            alone += not kept
        else:
            copied += 1
            photos_kept = [m for m in members if m in seen and not seen[m][2]]
            exact = [m for m in photos_kept if true[m]["trouble"] == "exact-copy"]
            assert len(photos_kept) - len(exact) <= 1, members
    assert copied >= 15
    assert alone <= 0.02 * len(families)  # photos without a copy that were dropped


# --- running it again -----------------------------------------------------------------------------


def test_a_second_run_looks_at_nothing(filled: Path) -> None:
    with open_catalog(filled / "datasets") as catalog:
        assert {s.looked_at for s in run_stages(catalog).values()} == {0}


def test_other_thresholds_touch_their_stage_and_what_builds_on_it(filled: Path) -> None:
    stricter = load_settings()
    stricter = stricter.model_copy(update={"quality": stricter.quality.model_copy(update={"min_side_px": 400})})
    with open_catalog(filled / "datasets") as catalog:
        looked = {stage for stage, s in run_stages(catalog, stricter).items() if s.looked_at}
        assert looked == {"quality", "duplicates", "audit", "diversity"}  # the latter two see all or none
        assert last_sighting_id(catalog) > 0


def test_opinions_are_the_same_on_every_run(filled: Path) -> None:
    def opinions() -> list[tuple[object, ...]]:
        with open_catalog(filled / "datasets") as catalog:
            with catalog.writing() as session:
                session.connection().exec_driver_sql("DELETE FROM stage_marks")
            run_stages(catalog)
            with catalog.reading() as session:
                labels = [(r.photo_id, r.kind, r.value) for r in session.scalars(select(LabelRow))]
                verdicts = [(r.photo_id, r.stage, r.reason) for r in session.scalars(select(VerdictRow))]
                return sorted(labels) + sorted(verdicts)

    assert opinions() == opinions()


# --- stage by stage ---------------------------------------------------------------------------------


def test_names_become_ascii_and_the_original_stays_as_evidence() -> None:
    seen = replace(SEEN, file_name="Škoda Mégane.jpg")
    (label,) = NamesStage().run([photo(1, seen)])
    assert (label.value, label.evidence) == ("Skoda Megane", {"original": "Škoda Mégane"})


@pytest.mark.parametrize(
    ("fields", "brands", "reason"),
    [
        ({"brand_asked": "BMW"}, {"BMW"}, None),
        ({"folder": "cars/audi", "file_name": "1.jpg"}, {"AUDI"}, None),
        ({"folder": "audi/bmw"}, {"BMW"}, None),
        ({"folder": "mini"}, {"MINI"}, None),
        ({"folder": "mini budget"}, set(), "no-brand"),
        ({"file_name": "vw_golf.jpg"}, {"VOLKSWAGEN"}, None),
        ({"title": "Škoda Octavia"}, {"SKODA"}, None),
        ({"alt": "a red car"}, set(), "no-brand"),
        ({"brand_asked": "BMW", "alt": "A white Audi A4"}, {"BMW", "AUDI"}, "brand-conflict"),
        ({"brand_asked": "BMW", "alt": "A BMW beside an Audi"}, {"BMW"}, None),
        ({"folder": "audi", "file_name": "bmw.jpg"}, {"AUDI", "BMW"}, "brand-conflict"),
        ({"title": "Audi or BMW?"}, {"AUDI", "BMW"}, "brand-conflict"),
        ({"title": "Audi or BMW?", "alt": "BMW M3"}, {"BMW"}, None),
    ],
)
def test_a_brand_comes_from_the_first_field_that_names_one(
    fields: dict[str, str], brands: set[str], reason: str | None
) -> None:
    opinions = list(BrandsStage(MAPPING).run([photo(1, replace(SEEN, **fields))]))
    assert {o.value for o in opinions if isinstance(o, Label)} == brands
    assert [o.reason for o in opinions if isinstance(o, Verdict)] == ([reason] if reason else [])


def test_two_sightings_under_two_brands_are_a_conflict() -> None:
    opinions = list(
        BrandsStage(MAPPING).run([photo(1, replace(SEEN, brand_asked="BMW"), replace(SEEN, brand_asked="AUDI"))])
    )
    assert sum(isinstance(o, Label) for o in opinions) == 2
    assert [o.reason for o in opinions if isinstance(o, Verdict)] == ["brand-conflict"]


@pytest.mark.parametrize(
    ("fields", "view"),
    [
        ({"view_asked": "rear"}, "rear"),
        ({"folder": "views/front_left"}, "front-left"),
        ({"folder": "back"}, "rear"),
        ({}, None),
    ],
)
def test_a_view_comes_from_the_query_or_the_folder(fields: dict[str, str], view: str | None) -> None:
    labels = list(ViewsStage().run([photo(1, replace(SEEN, **fields))]))
    assert [label.value for label in labels] == ([view] if view else [])


# --- hashes and groups --------------------------------------------------------------------------------

near_hashes = st.lists(
    st.tuples(st.sampled_from([0, 0xFFFFFFFFFFFFFFFF, 0x0123456789ABCDEF]), st.sets(st.integers(0, 63), max_size=9)),
    min_size=1,
    max_size=40,
).map(lambda rows: np.array([base ^ sum(1 << b for b in bits) for base, bits in rows], dtype=np.uint64))


@given(near_hashes, near_hashes, st.integers(0, 12))
@settings(max_examples=120, deadline=None)
def test_near_pairs_are_exactly_those_of_brute_force(left: np.ndarray, right: np.ndarray, radius: int) -> None:
    distances = np.bitwise_count(left[:, None] ^ right[None, :]).astype(int)
    expected = [[int(i), int(j), int(distances[i, j])] for i, j in zip(*np.nonzero(distances <= radius), strict=True)]
    assert near_pairs(left, right, radius).tolist() == expected
    among = np.bitwise_count(left[:, None] ^ left[None, :]).astype(int)
    own = [[int(i), int(j), int(among[i, j])] for i, j in zip(*np.nonzero(among <= radius), strict=True) if i < j]
    assert near_pairs(left, None, radius).tolist() == own


def test_a_radius_out_of_range_is_refused() -> None:
    for radius in (-1, 13):
        with pytest.raises(ValueError, match="radius"):
            near_pairs(np.zeros(1, np.uint64), np.zeros(1, np.uint64), radius)


RADII = DuplicateSettings()


def ties_of(photos: Sequence[Photo]) -> list[Tie]:
    """What the stage `hashes` finds among photos that are all new."""
    by_id = {p.id: p.fingerprint for p in photos}

    def prints_of(ids: Sequence[int]) -> Prints:
        chosen = [by_id[i] for i in ids]
        names = {"none": "phash", "mirrored": "phash_mirrored", "flipped": "phash_flipped", "rotated": "phash_rotated"}
        return Prints(
            np.array(ids),
            {t: np.array([getattr(p, name) for p in chosen], np.uint64) for t, name in names.items()},
            np.array([list(p.detail_hash) for p in chosen], np.uint8),
            np.array([list(p.chroma) for p in chosen], np.uint8),
        )

    ids = sorted(by_id)
    known = np.array(ids, np.int64), np.array([by_id[i].phash for i in ids], np.uint64)
    return list(HashesStage(RADII, lambda: known, prints_of).run(photos))


def duplicates(photos: Sequence[Photo]) -> list[Opinion]:
    found = ties_of(photos)

    def among(ids: Collection[int]) -> list[Tie]:
        return [t for t in found if t.photo_id in ids and t.other_id in ids]

    return list(DuplicatesStage(RADII, among).run(photos))


def prints(rows: Sequence[tuple[set[int], int, int]]) -> list[Photo]:
    """Photos whose detail hashes differ from nothing in the given bits; their size and sharpness."""
    made = []
    for number, (bits, side, sharp) in enumerate(rows, start=1):
        detail = np.packbits(np.array([b in bits for b in range(256)])).tobytes()
        made.append(photo(number, width_px=side, height_px=side, blur_var=float(sharp), detail_hash=detail))
    return made


@given(
    st.lists(
        st.tuples(st.sets(st.integers(0, 255), max_size=60), st.integers(100, 103), st.integers(50, 52)), max_size=14
    )
)
@settings(max_examples=150, deadline=None)
def test_every_dropped_photo_is_a_copy_of_its_keeper_itself(rows: list[tuple[set[int], int, int]]) -> None:
    photos = prints(rows)
    by_sha = {p.sha256: p for p in photos}
    opinions = duplicates(photos)
    dropped = {o.photo_id: o for o in opinions if isinstance(o, Verdict)}
    for verdict in dropped.values():
        keeper = by_sha[str(verdict.evidence["keeper"])]
        bits = rows[verdict.photo_id - 1][0] ^ rows[keeper.id - 1][0]
        assert len(bits) == verdict.evidence["detail_bits"] <= RADII.copy_detail_bits
        assert keeper.id not in dropped
        mine = photos[verdict.photo_id - 1]
        assert (keeper.area_px, keeper.fingerprint.blur_var, -keeper.id) > (
            mine.area_px,
            mine.fingerprint.blur_var,
            -mine.id,
        )
    group = {o.photo_id: o.group_key for o in opinions if isinstance(o, Membership)}
    for a in photos:
        for b in photos:
            if a.id < b.id and len(rows[a.id - 1][0] ^ rows[b.id - 1][0]) <= RADII.shot_detail_bits:
                assert group[a.id] == group[b.id]


def test_the_keeper_is_the_largest_then_the_sharpest_then_the_first() -> None:
    def kept(rows: Sequence[tuple[set[int], int, int]]) -> set[int]:
        photos = prints(rows)
        return {p.id for p in photos} - {o.photo_id for o in duplicates(photos) if isinstance(o, Verdict)}

    assert kept([(set(), 100, 50), (set(), 200, 10), (set(), 100, 90)]) == {2}
    assert kept([(set(), 100, 50), (set(), 100, 90)]) == {2}
    assert kept([(set(), 100, 50), (set(), 100, 50)]) == {1}


def test_another_colour_is_the_same_shot_but_no_copy() -> None:
    red = photo(2, chroma=bytes([90] * 32))
    opinions = duplicates([photo(1), red])
    assert [o.relation for o in opinions if isinstance(o, Membership)] == ["same-shot", "same-shot"]
    assert not [o for o in opinions if isinstance(o, Verdict)]


def test_copies_under_two_brands_are_all_dropped() -> None:
    first, second = photo(1), photo(2)
    first, second = replace(first, labels={"brand": ("BMW",)}), replace(second, labels={"brand": ("AUDI",)})
    reasons = {o.photo_id: o.reason for o in duplicates([first, second]) if isinstance(o, Verdict)}
    assert reasons == {2: "copy", 1: "copies-disagree"}


def test_photos_that_are_dropped_already_take_no_part() -> None:
    assert not duplicates([photo(1), replace(photo(2), drops=("blurred",))])


@given(st.binary(min_size=32, max_size=32), st.integers(0, 2**32 - 1))
def test_random_names_tell_nothing_and_stay_the_same(digest: bytes, seed: int) -> None:
    name = random_name(digest.hex(), seed)
    assert re.fullmatch(r"[0-9a-f]{32}", name)
    assert name == random_name(digest.hex(), seed)
    assert name != random_name(digest.hex(), seed + 1)
    assert digest.hex()[:12] not in name
