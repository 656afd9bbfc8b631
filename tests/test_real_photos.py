"""The whole way on real photos, beside the checkout; without them these tests are skipped."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from conftest import WITHOUT_NETWORK, Run, carharvest_in


def scraped(run: Run, folder: Path) -> dict[str, int]:
    told = json.loads(run("scrape", "folder", str(folder), "--json").stdout)
    return {name: told[name] for name in ("candidates", "new", "known", "failed")}


def test_harvested_is_677_photos_with_3_copies_as_sightings(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    assert scraped(run, shared / "photos" / "harvested") == {"candidates": 680, "new": 677, "known": 3, "failed": 0}
    told = json.loads(run("normalize", *WITHOUT_NETWORK, "--skip", "features", "--json").stdout)
    brands = {b["brand"]: b for b in json.loads(run("status", "--json").stdout)["brands"]}
    assert brands.keys() == {"AUDI", "BMW"}
    assert brands["AUDI"]["photos"] + brands["BMW"]["photos"] == 677
    assert told["kept"] >= 600


def test_leaky_becomes_a_split_without_leaks(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    assert scraped(run, shared / "photos" / "leaky") == {"candidates": 150, "new": 130, "known": 20, "failed": 0}
    assert run("normalize", *WITHOUT_NETWORK).returncode == 0
    assert run("split").returncode == 0
    split = tmp_path / "datasets" / "splits" / "default"
    described = json.loads((split / "split.json").read_text())
    photos = [json.loads(line) for line in (split / "photos.jsonl").read_text().splitlines()]
    assert described["classes"].keys() == {"AUDI", "BUGATTI", "LAMBORGHINI", "MERCEDES-BENZ"}
    for name in ("sha256", "group"):
        parts = defaultdict(set)
        for photo in photos:
            parts[photo[name]].add(photo["part"])
        assert all(len(found) == 1 for found in parts.values())
    for counts in described["counts"].values():
        assert min(counts.values()) >= 1


@pytest.mark.slow
def test_mirrored_views_stay_in_one_group(tmp_path: Path, shared: Path) -> None:
    """Left and right views of that set are mirror images of each other."""
    run = carharvest_in(tmp_path)
    for view in ("front_left", "front_right"):
        assert run("scrape", "folder", str(shared / "photos" / "views" / view), "--brand", "BMW").returncode == 0
    told = json.loads(run("normalize", *WITHOUT_NETWORK, "--json").stdout)
    assert next(stage for stage in told["stages"] if stage["stage"] == "views")["labelled"] == 120


def test_web_photos_of_six_brands_are_labelled_by_their_folders(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    scraped(run, shared / "photos" / "web" / "sripaad")
    assert run("normalize", "--only", "names", "--only", "brands").returncode == 0
    brands = Counter({b["brand"]: b["photos"] for b in json.loads(run("status", "--json").stdout)["brands"]})
    assert set(brands) == {"AUDI", "HYUNDAI", "LAMBORGHINI", "MAHINDRA", "MERCEDES-BENZ", "TATA"}
    assert sum(brands.values()) == 973


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_the_four_steps_on_harvested_reach_080(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    scraped(run, shared / "photos" / "harvested")
    for command in (["normalize"], ["split"], ["train"], ["train"]):
        done = run(*command)
        assert done.returncode == 0, done.stderr
    first, second = (json.loads((tmp_path / f"datasets/runs/default-{n}/result.json").read_text()) for n in (1, 2))
    assert first["test_accuracy"] >= 0.80
    for name in ("test_accuracy", "macro_f1", "val_accuracy", "stages"):
        assert first[name] == second[name]
    with (tmp_path / "datasets/runs/default-1/confusion.csv").open() as file:
        rows = list(csv.reader(file))
    assert sum(int(cell) for row in rows[1:] for cell in row[1:]) == first["photos"]["test"]
