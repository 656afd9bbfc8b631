"""Any ImageFolder can be looked through for leaks, and a clean one written; two splits can be compared."""

import csv
import json
from collections import Counter, defaultdict
from pathlib import Path

import pytest
from conftest import carharvest_in
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import coded, scene
from PIL import Image, ImageOps

from carharvest.catalog.filed import FiledPicture
from carharvest.splits.leaks import audit, removals


def filed(
    url: str, part: str | None, class_name: str, sha256: str, group: str | None = None, **more: object
) -> FiledPicture:
    return FiledPicture(url, part, class_name, sha256, more.get("area", 1), group or sha256, more.get("copy_of"))


folders = st.lists(
    st.tuples(
        st.sampled_from([None, "train", "train", "val", "test"]), st.sampled_from(["audi", "bmw"]), st.integers(0, 25),
        st.integers(0, 3), st.booleans(),
    ),
    max_size=60,
).map(
    lambda rows: [
        filed(
            f"file:///f/{n}", part, class_name, f"sha {number}", f"group {number // 3}",
            copy_of=f"sha {number - number % 3}" if is_copy and number % 3 else None, area=size,
        )
        for n, (part, class_name, number, size, is_copy) in enumerate(rows)
    ]
)  # fmt: skip


@given(folders)
@settings(max_examples=200, deadline=None)
def test_what_is_left_has_no_leak_no_copy_and_no_contradiction(files: list[FiledPicture]) -> None:
    gone = removals(files, [("file:///f/broken", "damaged")])
    without = {removal.url for removal in gone}
    assert len(without) == len(gone)
    left = [file for file in files if file.url not in without]
    again = audit(left, [])
    assert not again.leaks
    assert not again.repeated
    assert not again.disagreeing
    known = {file.url for file in files}
    for removal in gone:
        assert removal.why == "unreadable" or removal.because_of in known
    sound = [f for f in files if f.url not in {r.url for r in gone if r.why == "classes-disagree"}]
    for name in ("audi", "bmw"):
        pictures = {f.sha256 for f in sound if f.class_name == name and f.part == "train"}
        groups = defaultdict(set)
        for f in sound:
            groups[f.group_key].add(f.class_name)
        plain = all(len(of_group) == 1 for of_group in groups.values())
        if pictures and plain and len({f.group_key for f in sound if f.class_name == name}) > 3:
            assert any(f.class_name == name and f.part == "train" for f in left), "a class keeps something to train on"


@pytest.fixture
def leaky(tmp_path: Path) -> Path:
    """A split of somebody: one file in two parts, a mirrored copy, a recompressed one, and a file of HTML."""
    root = tmp_path / "cars"
    for number in range(8):
        place = root / ("Train" if number < 5 else "valid") / ("audi" if number % 2 else "bmw")
        place.mkdir(parents=True, exist_ok=True)
        (place / f"{number}.jpg").write_bytes(coded(scene(number)))
    (root / "valid" / "audi" / "same <b>.jpg").write_bytes((root / "Train" / "audi" / "1.jpg").read_bytes())
    (root / "valid" / "bmw" / "mirrored.jpg").write_bytes(coded(ImageOps.mirror(scene(2))))
    (root / "Train" / "bmw" / "4 again.jpg").write_bytes(coded(scene(4), 60))
    (root / "Train" / "bmw" / "broken.jpg").write_text("<html>no picture</html>")
    (root / "Train" / "notes.txt").write_text("not looked at")
    return root


def test_leaks_of_a_foreign_folder_are_found_and_named(leaky: Path, tmp_path: Path) -> None:
    before = {p: p.stat().st_mtime_ns for p in leaky.rglob("*")}
    done = carharvest_in(tmp_path)("split", "check", "cars", "--json", "--page", "leaks.html")
    assert done.returncode == 25, done.stderr
    assert "split fix cars" in done.stderr
    told = json.loads(done.stdout)
    leaks = {leak["kind"]: leak for leak in told["leaks"]}
    assert leaks["same-file"]["files"] == ["Train/audi/1.jpg", "valid/audi/same <b>.jpg"]
    assert leaks["same-file"]["parts"] == ["train", "val"]
    assert {"Train/bmw/2.jpg", "valid/bmw/mirrored.jpg"} <= {f for leak in told["leaks"] for f in leak["files"]}
    assert len(told["leaks"]) == 2
    assert ["Train/bmw/4 again.jpg", "Train/bmw/4.jpg"] in [sorted(files) for files in told["repeated"]]
    assert told["unreadable"] == [{"file": "Train/bmw/broken.jpg", "why": "not-a-picture"}]
    page = (tmp_path / "leaks.html").read_text()
    assert "same &lt;b&gt;.jpg" in page
    assert "<b>.jpg" not in page
    assert page.count("data:image/jpeg;base64") >= 4
    assert {p: p.stat().st_mtime_ns for p in leaky.rglob("*")} == before
    assert not (tmp_path / "datasets").exists()


def test_a_clean_one_is_written_under_the_same_names(leaky: Path, tmp_path: Path) -> None:
    run = carharvest_in(tmp_path)
    done = run("split", "fix", "cars", "--output", "clean")
    assert done.returncode == 0, done.stderr
    files = {str(p.relative_to(tmp_path / "clean")) for p in (tmp_path / "clean").rglob("*.jpg")}
    assert files == {
        "Train/audi/3.jpg", "Train/bmw/0.jpg", "Train/bmw/4.jpg", "valid/audi/5.jpg", "valid/audi/7.jpg",
        "valid/audi/same <b>.jpg", "valid/bmw/6.jpg", "valid/bmw/mirrored.jpg",
    }  # fmt: skip
    with (tmp_path / "clean" / "removed.csv").open(newline="") as table:
        why = {row["file"]: (row["why"], row["because_of"]) for row in csv.DictReader(table)}
    assert why["Train/audi/1.jpg"] == ("leak", "valid/audi/same <b>.jpg")
    assert why["Train/bmw/4 again.jpg"] == ("copy", "Train/bmw/4.jpg")
    assert why["Train/bmw/broken.jpg"][0] == "unreadable"
    again = run("split", "check", "clean")
    assert again.returncode == 0, again.stdout
    assert "none stands in two parts" in again.stdout
    for output in ("clean", "cars/inner"):
        assert run("split", "fix", "cars", "--output", output).returncode == 16
    assert run("split", "check", "nowhere").returncode == 17


def test_a_picture_that_is_a_link_is_a_picture_in_the_clean_one(tmp_path: Path) -> None:
    for part, number in (("train", 1), ("test", 2)):
        (tmp_path / "cars" / part / "bmw").mkdir(parents=True)
        (tmp_path / f"{number}.jpg").write_bytes(coded(scene(number)))
        (tmp_path / "cars" / part / "bmw" / f"{number}.jpg").symlink_to(f"../../../{number}.jpg")
    done = carharvest_in(tmp_path)("split", "fix", "cars", "--output", "some/where/else")
    assert done.returncode == 0, done.stderr
    found = sorted((tmp_path / "some" / "where" / "else").rglob("*.jpg"))
    assert [p.name for p in found] == ["2.jpg", "1.jpg"]
    assert not any(p.is_symlink() for p in found)


def test_our_own_split_is_clean_by_its_files(filled: Path) -> None:
    done = carharvest_in(filled)("split", "check", "default")
    assert done.returncode == 0, done.stdout
    assert "none stands in two parts" in done.stdout


def test_two_splits_are_compared_photo_by_photo(filled: Path) -> None:
    run = carharvest_in(filled)
    assert run("split", "--name", "other", "--seed", "7", "--where", "brand != 'bmw'").returncode == 0
    told = json.loads(run("split", "diff", "default", "other", "--json").stdout)
    assert told["added"] == {}
    assert all(place.endswith("/BMW") for place in told["removed"].values())
    assert told["moved"]
    assert told["relabelled"] == {}
    one = [json.loads(x) for x in (filled / "datasets/splits/default/photos.jsonl").read_text().splitlines()]
    assert told["same"] + len(told["moved"]) + len(told["removed"]) == len(one)
    shown = run("split", "diff", "default", str(filled / "datasets" / "splits" / "default"))
    assert f"{len(one):,} the same, 0 added" in shown.stdout
    assert run("split", "diff", "default", "nothing").returncode == 17


@pytest.mark.slow
def test_the_twenty_pictures_in_both_parts_of_a_real_split(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    told = json.loads(run("split", "check", str(shared / "photos" / "leaky"), "--json").stdout)
    assert Counter(leak["kind"] for leak in told["leaks"])["same-file"] == 20
    for leak in told["leaks"]:
        if leak["kind"] == "same-file":
            assert leak["parts"] == ["train", "val"]
            assert len({(shared / "photos" / "leaky" / file).read_bytes() for file in leak["files"]}) == 1
    assert run("split", "fix", str(shared / "photos" / "leaky"), "-o", "clean").returncode == 0
    clean = run("split", "check", "clean", "--json")
    assert clean.returncode == 0
    counts = json.loads(clean.stdout)["counts"]
    assert all(of_class["train"] >= 10 and of_class["val"] >= 5 for of_class in counts.values())


def test_links_into_other_folders_are_not_looked_into(tmp_path: Path) -> None:
    place = tmp_path / "cars" / "train" / "bmw"
    place.mkdir(parents=True)
    (place / "1.jpg").write_bytes(coded(scene(1)))
    (tmp_path / "cars" / "test").symlink_to(tmp_path / "cars" / "train")
    done = carharvest_in(tmp_path)("split", "check", "cars")
    assert done.returncode == 0, done.stdout
    assert [p.name for p in place.iterdir()] == ["1.jpg"]
    with Image.open(place / "1.jpg") as picture:
        assert picture.format == "JPEG"
