"""Splits: who goes where, and the folder that comes of it."""

import csv
import json
import shutil
from collections import defaultdict
from pathlib import Path

import pytest
from conftest import carharvest_in
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import select

from carharvest.catalog.schema import PhotoRow, VerdictRow
from carharvest.catalog.store import open_catalog
from carharvest.errors import BadSettings, DamagedWorkspace
from carharvest.records import KeptPhoto, Part, Placed
from carharvest.splits.assign import assign
from carharvest.splits.attribution import as_html, as_table, as_text, credits_of
from carharvest.splits.classes import OTHER
from carharvest.splits.imagefolder import write_imagefolder
from carharvest.splits.plan import SplitPlan
from carharvest.splits.render import Rendering

PLAN = SplitPlan(seed=42)


def kept(number: int, brand: str, group: str | None = None) -> KeptPhoto:
    sha256 = f"{number:064x}"
    return KeptPhoto(number, sha256, "jpg", brand, None, f"{number:032x}", group or sha256)


catalogs = st.lists(
    st.tuples(st.sampled_from(["AUDI", "BMW", "FIAT", "IRAN KHODRO"]), st.integers(0, 30)), min_size=1, max_size=120
).map(lambda rows: [kept(n, brand, f"group {group}" if group < 12 else None) for n, (brand, group) in enumerate(rows)])
plans = st.sampled_from([PLAN, SplitPlan(7, 80, 10, 10), SplitPlan(7, 50, 0, 50), SplitPlan(1, 100, 0, 0)])


@given(catalogs, plans)
@settings(max_examples=200, deadline=None)
def test_no_group_is_in_two_parts_and_no_photo_is_lost(photos: list[KeptPhoto], plan: SplitPlan) -> None:
    placed = assign(photos, plan).placed
    parts: dict[str, set[Part]] = defaultdict(set)
    for p in placed:
        parts[p.photo.group_key].add(p.part)
        assert plan.share(p.part) > 0
    assert all(len(found) == 1 for found in parts.values())
    assert sorted(p.photo.id for p in placed) == sorted(photo.id for photo in photos)


@given(catalogs)
@settings(max_examples=100, deadline=None)
def test_the_order_of_photos_makes_no_difference(photos: list[KeptPhoto]) -> None:
    assert assign(photos, PLAN) == assign(list(reversed(photos)), PLAN)


@pytest.mark.parametrize(
    ("count", "parts"),
    [(1, {"train"}), (2, {"train", "test"}), (3, {"train", "val", "test"}), (4, {"train", "val", "test"})],
)
def test_a_rare_brand_is_kept(count: int, parts: set[str]) -> None:
    photos = [kept(n, "IRAN KHODRO") for n in range(count)] + [kept(n, "BMW") for n in range(100, 200)]
    assert {p.part for p in assign(photos, PLAN).placed if p.class_name == "IRAN KHODRO"} == parts


@pytest.mark.parametrize("count", [20, 57, 100, 1000])
def test_the_shares_are_met_brand_by_brand(count: int) -> None:
    placed = assign([kept(n, "BMW") for n in range(count)], PLAN).placed
    for part, share in (("train", 0.70), ("val", 0.15), ("test", 0.15)):
        assert abs(sum(p.part == part for p in placed) - share * count) <= 1


def test_another_seed_is_another_split() -> None:
    photos = [kept(n, "BMW") for n in range(50)]
    assert assign(photos, PLAN) != assign(photos, SplitPlan(seed=43))


def test_rare_brands_are_pooled_or_dropped_only_when_asked() -> None:
    photos = [kept(n, "BMW") for n in range(20)] + [kept(n, "FIAT") for n in range(20, 24)]
    assert {p.class_name for p in assign(photos, PLAN).placed} == {"BMW", "FIAT"}
    assert {p.class_name for p in assign(photos, SplitPlan(42, min_per_class=5, rare="drop")).placed} == {"BMW"}
    assert {p.class_name for p in assign(photos, SplitPlan(42, min_per_class=5, rare="pool")).placed} == {"BMW", OTHER}


@pytest.mark.parametrize("shares", [(70, 20, 20), (0, 50, 50), (120, -10, -10)])
def test_shares_that_make_no_sense_are_refused(shares: tuple[int, int, int]) -> None:
    with pytest.raises(BadSettings):
        SplitPlan(1, *shares)


def test_the_folder_loads_in_torchvision_unchanged(filled: Path) -> None:
    pytest.importorskip("torch")
    from train_adapter.vision import make_importable

    make_importable()
    from torchvision.datasets import ImageFolder

    split = filled / "datasets" / "splits" / "default"
    photos = [json.loads(line) for line in (split / "photos.jsonl").read_text().splitlines()]
    labels = (split / "labels.txt").read_text().splitlines()
    total = 0
    for part in ("train", "val", "test"):
        data = ImageFolder(split / part)
        assert data.classes == labels
        assert data[0][0].mode == "RGB"
        total += len(data)
    assert total == len(photos)


def test_files_are_links_to_blobs_with_random_names(filled: Path) -> None:
    workspace = filled / "datasets"
    lines = (workspace / "splits" / "default" / "photos.jsonl").read_text().splitlines()
    for entry in map(json.loads, lines[:20]):
        file = workspace / "splits" / "default" / entry["file"]
        sha256 = entry["sha256"]
        assert file.stem not in sha256
        assert file.read_bytes() == next(workspace.glob(f"blobs/{sha256[:2]}/{sha256}.*")).read_bytes()
    fresh = carharvest_in(filled)("split", "--name", "fresh")
    assert fresh.returncode == 0, fresh.stderr
    made = next((workspace / "splits" / "fresh" / "train").rglob("*.jpg"))
    assert made.stat().st_nlink >= 2


def test_the_same_plan_again_changes_nothing_and_another_is_refused(filled: Path) -> None:
    run = carharvest_in(filled)
    file = filled / "datasets" / "splits" / "default" / "split.json"
    before = file.read_bytes()
    assert "unchanged" in run("split").stdout
    refused = run("split", "--seed", "7")
    assert refused.returncode == 18
    assert "--replace" in refused.stderr
    assert file.read_bytes() == before
    assert run("split", "--seed", "7", "--replace").returncode == 0
    assert file.read_bytes() != before
    assert run("split", "--replace").returncode == 0
    assert file.read_bytes() == before


def test_a_folder_that_the_catalog_does_not_know_is_not_written_over(filled: Path) -> None:
    splits = filled / "datasets" / "splits"
    shutil.copytree(splits / "default", splits / "stray")
    described = json.loads((splits / "stray" / "split.json").read_text())
    (splits / "stray" / "split.json").write_text(json.dumps(described | {"digest": "of another catalog"}))
    run = carharvest_in(filled)
    assert run("split", "--name", "stray").returncode == 18
    assert run("split", "--name", "stray", "--replace").returncode == 0


def test_a_photo_kept_by_hand_that_carries_two_brands_waits_for_a_word(filled: Path) -> None:
    run = carharvest_in(filled)
    with open_catalog(filled / "datasets") as catalog, catalog.reading() as session:
        conflict = select(PhotoRow.sha256).join(VerdictRow, VerdictRow.photo_id == PhotoRow.id)
        sha256 = session.scalars(conflict.where(VerdictRow.reason == "brand-conflict").limit(1)).one()
    assert run("keep", sha256).returncode == 0
    told = json.loads(run("split", "--name", "kept", "--json").stdout)
    assert told["left_out"]["brands"] == 1
    before = sum(sum(parts.values()) for parts in told["counts"].values())
    assert run("label", sha256, "--brand", "bmw").returncode == 0
    told = json.loads(run("split", "--name", "named", "--json").stdout)
    assert "brands" not in told["left_out"]
    photos = (filled / "datasets" / "splits" / "named" / "photos.jsonl").read_text()
    assert sha256 in photos
    assert photos.count("\n") == before + 1, "the name of one photo says nothing of the others"


def test_every_photo_of_a_split_is_credited(filled: Path) -> None:
    split = filled / "datasets" / "splits" / "default"
    with (split / "ATTRIBUTION.csv").open(encoding="utf-8", newline="") as file:
        rows = {row["file"]: row for row in csv.DictReader(file)}
    on_disk = {str(p.relative_to(split)) for p in split.glob("*/*/*.jpg")}
    assert rows.keys() == on_disk
    assert all(row["author"] and row["license"] == "pexels" and row["page_url"] for row in rows.values())


def test_text_from_outside_is_no_formula_and_no_path_of_somebody_s_disk() -> None:
    from test_normalize import SEEN

    placed = [Placed(kept(1, "BMW"), "train", "BMW")]
    from dataclasses import replace

    seen = replace(SEEN, author='=HYPERLINK("http://evil.example")', url="file:///home/me/x.jpg", title="@SUM(1)")
    (row,) = as_table(credits_of([("a.jpg", placed[0].photo)], {1: seen})).to_dict("records")
    assert row["author"].startswith("'=")
    assert row["title"].startswith("'@")
    assert row["url"] == ""


def test_a_broken_export_leaves_the_old_folder(tmp_path: Path) -> None:
    from carharvest.blobs import BlobStore

    target = tmp_path / "splits" / "x"
    target.mkdir(parents=True)
    (target / "old.txt").write_text("old")
    placed = [Placed(kept(1, "BMW"), "train", "BMW")]
    with pytest.raises(DamagedWorkspace, match="blob"):
        write_imagefolder(target, placed, {}, Rendering(), BlobStore(tmp_path), lambda ids: {})
    assert [p.name for p in target.parent.iterdir()] == ["x"]
    assert (target / "old.txt").read_text() == "old"


def test_credits_on_a_page_are_text_and_links_to_the_web_only() -> None:
    from dataclasses import replace

    from test_normalize import SEEN

    hostile = "</td><script>alert(1)</script>"
    seen = replace(
        SEEN, title=hostile, author=hostile, author_url="javascript:alert(1)", page_url="https://x.example/<b>"
    )
    page = as_html(credits_of([("a.jpg", kept(1, "BMW"))], {1: replace(seen, source="pexels", license="pexels")}))
    assert "<script>" not in page
    assert "javascript:" not in page
    assert '<a href="https://www.pexels.com">Photos provided by Pexels</a>' in page
    assert "Pexels License" in page
    assert "Photos provided by Pexels" not in as_text(
        credits_of([("a.jpg", kept(1, "BMW"))], {1: replace(SEEN, source="x")})
    )
