"""Splits that grow, leave out, choose and fold: none of it ever parts a group or moves a photo."""

import contextlib
import json
from collections import Counter, defaultdict
from dataclasses import replace
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from conftest import carharvest_in
from hypothesis import given, settings
from hypothesis import strategies as st

from carharvest.brands import load_brands
from carharvest.errors import BadSettings, UnknownBrand
from carharvest.records import Box, KeptPhoto, Placed
from carharvest.splits.assign import assign, assign_folds
from carharvest.splits.classes import OTHER
from carharvest.splits.groups import grouped
from carharvest.splits.plan import SplitPlan
from carharvest.splits.where import condition

PLAN = SplitPlan(seed=42)
MAPPING = load_brands()


def kept(number: int, brand: str = "BMW", group: str | None = None, **more: object) -> KeptPhoto:
    sha256 = f"{number:064x}"
    photo = KeptPhoto(number, sha256, "jpg", brand, None, f"{number:032x}", group or sha256)
    return replace(photo, **more)


catalogs = st.lists(
    st.tuples(
        st.sampled_from(["AUDI", "BMW", "FIAT", "IRAN KHODRO"]),
        st.integers(0, 30),
        st.sampled_from(["", "p1", "p2", "p3"]),
        st.sampled_from(["", "Ann", "Bo"]),
        st.integers(0, 400),
        st.sampled_from([None, None, "train", "val", "test"]),
    ),
    min_size=1,
    max_size=100,
).map(
    lambda rows: [
        kept(
            n,
            brand,
            f"group {group}" if group < 12 else None,
            page_url=page,
            author=author,
            taken_at="" if minute > 300 else (datetime(2024, 5, 1) + timedelta(minutes=minute)).isoformat(),
            own_part=part,
        )
        for n, (brand, group, page, author, minute, part) in enumerate(rows)
    ]
)
plans = st.builds(
    SplitPlan,
    seed=st.integers(0, 3),
    min_per_class=st.sampled_from([0, 5]),
    rare=st.sampled_from(["keep", "drop", "pool"]),
    floor=st.integers(0, 4),
    group_by=st.sampled_from([(), ("page",), ("photographer",), ("page", "photographer")]),
    keep_parts=st.booleans(),
)


def parts_of_groups(placed: list[Placed]) -> dict[str, set[str]]:
    parts: dict[str, set[str]] = defaultdict(set)
    for p in placed:
        parts[p.photo.group_key].add(p.part)
    return parts


@given(catalogs, plans)
@settings(max_examples=150, deadline=None)
def test_no_plan_parts_a_group(photos: list[KeptPhoto], plan: SplitPlan) -> None:
    found = assign(photos, plan)
    groups = {p.id: p.group_key for p in grouped(photos, plan.group_by, timedelta(minutes=plan.within_minutes))}
    parts = defaultdict(set)
    for p in found.placed:
        parts[groups[p.photo.id]].add(p.part)
    assert all(len(of_group) == 1 for of_group in parts.values())
    told = [p.photo.id for p in found.placed] + [photo.id for why in found.left_out.values() for photo in why]
    assert sorted(told) == sorted(photo.id for photo in photos), "every photo is placed, or left out for a reason"


@given(catalogs, plans, st.data())
@settings(max_examples=150, deadline=None)
def test_extending_moves_nothing_and_parts_no_group(
    photos: list[KeptPhoto], plan: SplitPlan, data: st.DataObject
) -> None:
    old = photos[: data.draw(st.integers(1, len(photos)))]
    before = assign(old, plan)
    after = assign(photos, plan, before.placed)
    stands = {p.photo.id: (p.part, p.class_name) for p in after.placed}
    assert all(stands[p.photo.id] == (p.part, p.class_name) for p in before.placed)
    new_keys = {p.photo.group_key for p in after.placed if p.photo.id not in {b.photo.id for b in before.placed}}
    assert all(len(parts) == 1 for key, parts in parts_of_groups(list(after.placed)).items() if key in new_keys)
    as_read = [replace(p, photo=photos[p.photo.id]) for p in after.placed]  # groups come from the catalog
    again = assign(photos, plan, as_read)
    assert {p.photo.id: p.part for p in again.placed} == {p.photo.id: p.part for p in after.placed}


@given(catalogs, st.integers(3, 6))
@settings(max_examples=100, deadline=None)
def test_each_photo_is_tested_in_one_fold_and_no_fold_parts_a_group(photos: list[KeptPhoto], folds: int) -> None:
    made = assign_folds(photos, replace(PLAN, folds=folds))
    assert len(made) == folds
    tested = Counter(p.photo.id for fold in made for p in fold.placed if p.part == "test")
    assert set(tested.values()) <= {1}
    for fold in made:
        assert all(len(parts) == 1 for parts in parts_of_groups(list(fold.placed)).values())
        assert {p.photo.id for p in fold.placed} == {photo.id for photo in photos}
        in_train = {p.class_name for p in fold.placed if p.part == "train"}
        for p in fold.placed:
            few = len({q.photo.group_key for q in fold.placed if q.class_name == p.class_name}) < 4
            assert few or p.class_name in in_train
    for brand in ("BMW", "AUDI"):
        groups = Counter(p.photo.group_key for p in made[0].placed if p.class_name == brand)
        alone = all(count == 1 for count in groups.values())
        if alone and len(groups) >= 10 * folds:
            sizes = [sum(p.part == "test" and p.class_name == brand for p in fold.placed) for fold in made]
            assert max(sizes) - min(sizes) <= 1


def test_thirty_percent_more_photos_ten_times_move_nothing() -> None:
    """The ratios stay within two points for every brand of fifty photos and more."""
    import random

    chance = random.Random(7)
    sizes = {"BMW": 400, "AUDI": 180, "FIAT": 60, "IRAN KHODRO": 4}
    numbers = iter(range(10**6))

    def some(brand: str, count: int) -> list[KeptPhoto]:
        made: list[KeptPhoto] = []
        while len(made) < count:
            size = chance.choice([1, 1, 1, 1, 2, 3])
            key = f"group {brand} {next(numbers)}"
            made += [kept(next(numbers), brand, key) for _ in range(min(size, count - len(made)))]
        return made

    photos = [photo for brand, count in sizes.items() for photo in some(brand, count)]
    placed = assign(photos, PLAN).placed
    moves = 0
    for _ in range(10):
        before = {p.photo.id: p.part for p in placed}
        for brand in sizes:
            photos += some(brand, round(0.3 * sum(photo.brand == brand for photo in photos)))
        # Some of the new ones turn out to be shots of groups that stand already.
        photos = [
            replace(photo, group_key=chance.choice(photos).group_key)
            if photo.id not in before and chance.random() < 0.05 and photo.group_key.endswith("0")
            else photo
            for photo in photos
        ]
        placed = assign(photos, PLAN, placed).placed
        after = {p.photo.id: p.part for p in placed}
        moves += sum(after[id_] != part for id_, part in before.items())
        for brand in sizes:
            parts = Counter(p.part for p in placed if p.class_name == brand)
            if parts.total() >= 50:
                for part, share in (("train", 70), ("val", 15), ("test", 15)):
                    assert abs(100 * parts[part] / parts.total() - share) <= 2, (brand, parts)
        assert {p.part for p in placed if p.class_name == "IRAN KHODRO"} == {"train", "val", "test"}
    assert moves == 0
    assert len(placed) == len(photos) > 8000


def test_what_ties_two_parts_together_is_left_out() -> None:
    old = assign([kept(n) for n in range(40)], PLAN).placed
    train = next(p.photo for p in old if p.part == "train")
    test = next(p.photo for p in old if p.part == "test")
    photos = [replace(p.photo, group_key="one") if p.photo in (train, test) else p.photo for p in old]
    photos.append(kept(99, group="one"))
    previous = [replace(p, photo=photo) for p, photo in zip(old, photos, strict=False)]
    after = assign(photos, PLAN, previous)
    assert [p.id for p in after.left_out["ties-parts"]] == [99]
    assert after.torn == 1
    assert len(after.placed) == 40


def test_a_larger_copy_of_a_placed_photo_is_not_added_beside_it() -> None:
    old = assign([kept(n) for n in range(10)], PLAN).placed
    previous = [replace(old[0], photo=replace(old[0].photo, copy_of=77, group_key="g")), *old[1:]]
    after = assign([*(p.photo for p in old[1:]), kept(77, group="g")], PLAN, previous)
    assert [p.id for p in after.left_out["copy"]] == [77]
    assert len(after.placed) == 10


def test_a_class_that_grows_stays_what_it_was_in_the_split() -> None:
    plan = SplitPlan(42, min_per_class=5, rare="pool")
    old = [kept(n) for n in range(20)] + [kept(n, "FIAT") for n in range(20, 24)]
    placed = assign(old, plan).placed
    more = [*old, *(kept(n, "FIAT") for n in range(30, 40)), *(kept(n, "AUDI") for n in range(50, 60))]
    assert {p.class_name for p in assign(more, plan, placed).placed} == {"BMW", OTHER, "AUDI"}
    assert {p.class_name for p in assign(more, plan).placed} == {"BMW", "FIAT", "AUDI"}


def test_a_floor_gives_each_part_its_photos_where_there_are_enough() -> None:
    plan = SplitPlan(42, floor=5)
    counts = Counter(p.part for p in assign([kept(n) for n in range(20)], plan).placed)
    assert counts == {"train": 10, "val": 5, "test": 5}
    assert Counter(p.part for p in assign([kept(n) for n in range(4)], plan).placed)["val"] == 1


def test_own_parts_are_kept_and_the_copy_that_leaks_is_left_out() -> None:
    photos = [kept(n, own_part="train" if n < 10 else "test") for n in range(20)]
    photos += [kept(30, group="shot", own_part="train"), kept(31, group="shot", own_part="test"), kept(32)]
    found = assign(photos, replace(PLAN, keep_parts=True))
    parts = {p.photo.id: p.part for p in found.placed}
    assert all(parts[n] == ("train" if n < 10 else "test") for n in range(20))
    assert parts[31] == "test"
    assert [p.id for p in found.left_out["own-part"]] == [30]
    assert 32 in parts


def test_pages_and_bursts_are_groups_when_asked() -> None:
    at = datetime(2024, 5, 1, 12)
    photos = [
        kept(0, page_url="https://x.example/1"),
        kept(1, page_url="https://x.example/1"),
        kept(2, author="Ann", taken_at=at.isoformat()),
        kept(3, author="Ann", taken_at=(at + timedelta(minutes=8)).isoformat()),
        kept(4, author="Ann", taken_at=(at + timedelta(minutes=16)).isoformat()),
        kept(5, author="Ann", taken_at=(at + timedelta(minutes=40)).isoformat()),
        kept(6, author="Ann", brand="AUDI"),
        kept(7, author="Ann", brand="AUDI"),
        kept(8, author="Ann", brand="FIAT"),
        kept(9),
    ]
    within = timedelta(minutes=10)

    def together(*by: str) -> list[set[int]]:
        found = defaultdict(set)
        for photo in grouped(photos, by, within):
            found[photo.group_key].add(photo.id)
        return sorted((ids for ids in found.values() if len(ids) > 1), key=min)

    assert together() == []
    assert together("page") == [{0, 1}]
    assert together("photographer") == [{2, 3, 4}, {6, 7}]
    assert together("page", "photographer") == [{0, 1}, {2, 3, 4}, {6, 7}]


@pytest.mark.parametrize(
    ("by", "names"),
    [
        ("brand", {"VOLKSWAGEN"}),
        ("model", {"VOLKSWAGEN Golf GTI .. .. etc"}),
        ("view", {"front-left"}),
        ("brand+view", {"VOLKSWAGEN front-left"}),
    ],
)
def test_classes_are_made_of_what_is_asked_and_are_safe_names(by: str, names: set[str]) -> None:
    photos = [kept(n, "VOLKSWAGEN", model="Golf GTI/../\n../etc", view="front-left") for n in range(9)]
    photos.append(kept(20, "VOLKSWAGEN"))
    found = assign(photos, replace(PLAN, by=by))
    assert {p.class_name for p in found.placed} == names
    assert [p.id for p in found.left_out.get("unknown", ())] == ([] if by == "brand" else [20])


PHOTO = kept(
    1, "VOLKSWAGEN", model="Golf GTI", year=2012, view="front", license="by", source="flickr", author="Ann O'Hara",
    width_px=600, height_px=500, size_bytes=80_000, taken_at="2024-05-02T10:00:00", seen_at="2026-11-21T00:00:00+00:00",
    boxes=(Box(0, 0, 5, 5),), own_part="test",
)  # fmt: skip


@pytest.mark.parametrize(
    ("text", "holds"),
    [
        ("", True),
        ("license in ('cc0','by')", True),
        ("license = 'CC BY 4.0' and source = \"FLICKR\"", True),
        ("license = ''", False),
        ("license = 'unknown'", False),
        ("brand = 'vw'", True),
        ("brand in ('škoda', 'audi')", False),
        ("model ~ 'gti' and not model = 'golf'", True),
        ('author = "Ann O\'Hara"', True),
        ("year >= 2010 and year < 2012.5", True),
        ("year not in (2011, 2012)", False),
        ("side >= 512", False),
        ("width >= 512 and (height > 600 or bytes < 100000)", True),
        ("taken = '2024-05' and taken >= '2024' and taken < '2025'", True),
        ("seen < '2026-11-21'", False),
        ("boxes > 0 and part = 'test' and format = 'jpg'", True),
        ("NOT (view = 'front' OR view = 'rear')", False),
    ],
)
def test_a_condition_holds_or_not(text: str, holds: bool) -> None:
    assert condition(text, MAPPING)(PHOTO) is holds


def test_what_is_not_known_fulfils_no_comparison_of_numbers_or_dates() -> None:
    bare = kept(2)
    for text in ("year < 3000", "year != 5", "taken < '2999'", "taken >= '0000'"):
        assert not condition(text, MAPPING)(bare)
    assert condition("model = '' and taken = ''", MAPPING)(bare)


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("license in", "character 11"),
        ("width >= 1; drop table photos", "character 11"),
        ("__import__('os')", "character 11"),
        ("brand = vw", "character 9"),
        ("foo = 'x'", "knows no 'foo'"),
        ("year = 'x'", "is a number"),
        ("brand < 'x'", "neither a number nor a date"),
        ("source = 5", "has to stand in quotes"),
        ("license = 'my own'", "is no licence"),
        ("(side > 3", "character 10"),
    ],
)
def test_a_condition_that_makes_no_sense_names_the_place(text: str, says: str) -> None:
    with pytest.raises(BadSettings, match=says):
        condition(text, MAPPING)


def test_an_unknown_brand_in_a_condition_gets_suggestions() -> None:
    with pytest.raises(UnknownBrand):
        condition("brand = 'volkswagn polo xx'", MAPPING)


@given(st.text(max_size=60))
@settings(max_examples=200, deadline=None)
def test_any_text_is_a_condition_or_a_clear_error(text: str) -> None:
    with contextlib.suppress(BadSettings, UnknownBrand):
        condition(text, MAPPING)(PHOTO)


def test_a_split_is_extended_by_name_and_its_photos_stay(filled: Path) -> None:
    run = carharvest_in(filled)
    folder = filled / "datasets" / "splits" / "default"

    def places() -> dict[str, str]:
        lines = map(json.loads, (folder / "photos.jsonl").read_text().splitlines())
        return {line["sha256"]: f"{line['part']}/{line['class']}" for line in lines}

    before = places()
    assert run("scrape", "sample", "--photos", "420").returncode == 0
    stages = ("names", "brands", "quality", "hashes", "duplicates", "rename")
    assert run("normalize", *(word for stage in stages for word in ("--only", stage))).returncode == 0
    refused = run("split")
    assert refused.returncode == 18
    assert "--extend" in refused.stderr
    assert places() == before
    extended = run("split", "--extend", "--json")
    assert extended.returncode == 0, extended.stderr
    told = json.loads(extended.stdout)
    after = places()
    assert len(after) == len(before) + told["added"] > len(before)
    assert {sha: after[sha] for sha in before} == before
    assert sum(sum(parts.values()) for parts in told["counts"].values()) == len(after)
    on_disk = {p.name for p in folder.glob("*/*/*.*")}
    assert len(on_disk) == len(after)
    assert "unchanged" in run("split", "--extend").stdout
    assert "unchanged" in run("split").stdout
    assert run("split", "--extend", "--by", "view").returncode == 16


def test_folds_views_and_choices_are_splits_like_others(filled: Path) -> None:
    run = carharvest_in(filled)
    assert run("split", "--name", "cv", "--folds", "3", "--rare", "pool", "--min-per-class", "30").returncode == 0
    tested: list[str] = []
    for number in (1, 2, 3):
        split = filled / "datasets" / "splits" / f"cv-{number}"
        lines = list(map(json.loads, (split / "photos.jsonl").read_text().splitlines()))
        tested += [line["sha256"] for line in lines if line["part"] == "test"]
        assert OTHER in {line["class"] for line in lines}
        assert len(list(split.glob("test/*/*"))) == sum(line["part"] == "test" for line in lines)
    assert len(tested) == len(set(tested)) > 100
    viewless = run("split", "--name", "views", "--by", "view")
    assert viewless.returncode == 8
    assert "carries a view" in viewless.stderr
    none = run("split", "--name", "none", "--where", "license = 'cc0'")
    assert none.returncode == 8
    chosen = run("split", "--name", "some", "--where", "brand in ('bmw', 'audi') and side >= 100", "--json")
    assert set(json.loads(chosen.stdout)["counts"]) == {"BMW", "AUDI"}
    assert run("split", "--name", "some", "--where", "oops").returncode == 16
