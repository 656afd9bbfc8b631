"""Splits go out in forms that the real libraries read, whole or not at all, with card and credits."""

import csv
import io
import json
import os
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import ROOT, carharvest_in, made_once
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import coded, scene
from PIL import Image
from test_growing_splits import kept

from carharvest.cli.export import FormName
from carharvest.errors import DiskFull
from carharvest.records import Box
from carharvest.splits.forms import FORMS
from carharvest.splits.render import LEAST_SSIM, Rendering, boxes_in, encoded, frame_of, ssim
from carharvest.splits.whole import whole_folder

CLASSES = ["AUDI", "BMW"]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a split of annotated photos, one of them lying on its side, and all of its exports."""
    return made_once(tmp_path_factory, "forms", make_forms)


def make_forms(folder: Path) -> None:
    root = folder / "set"
    root.mkdir()
    rows = [["file", "brand", "split", "x1", "y1", "x2", "y2", "license", "author"]]
    parts = ["train"] * 6 + ["val"] * 2 + ["test"] * 2
    for number in range(10):
        name = f"{number}.jpg"
        picture = scene(number)
        box: list[Any] = [40, 60, 300, 240]
        if number == 3:  # the file is stored turned: the box is of the picture that people see
            exif = Image.Exif()
            exif[0x0112] = 6
            picture.transpose(Image.Transpose.ROTATE_90).save(root / name, exif=exif)
        elif number == 4:
            name = "4.gif"
            picture.save(root / name)
        else:
            (root / name).write_bytes(coded(picture))
        if number == 5:
            box = [""] * 4
        rows.append([name, CLASSES[number % 2], parts[number], *box, "by", '=cmd("x")'])
    with (root / "set.csv").open("w", newline="") as file:
        csv.writer(file).writerows(rows)
    run = carharvest_in(folder)
    steps: list[list[str]] = [
        ["import", "csv", "set/set.csv"],
        ["normalize", "--skip", "content", "--skip", "features"],
    ]
    steps += [["split", "--keep-parts"], *(["split", "export", form, "-o", f"out/{form}"] for form in FORMS)]
    for step in steps:
        done = run(*step)
        assert done.returncode == 0, done.stderr


def facts(folder: Path) -> list[dict[str, Any]]:
    return list(map(json.loads, (folder / "photos.jsonl").read_text().splitlines()))


def test_the_command_offers_the_forms_there_are() -> None:
    assert {form.value for form in FormName} == set(FORMS)


@pytest.mark.parametrize("form", FORMS)
def test_every_export_has_its_papers_and_a_valid_croissant(made: Path, form: str) -> None:
    folder = made / "out" / form
    assert (folder / "labels.txt").read_text().split() == CLASSES
    assert "| AUDI | 3 | 1 | 1 | 5 |" in (folder / "README.md").read_text()
    with (folder / "ATTRIBUTION.csv").open(newline="") as file:
        credits_ = list(csv.DictReader(file))
    assert [row["file"] for row in credits_] == [fact["file"] for fact in facts(folder)]
    assert {(row["author"], row["license"]) for row in credits_} == {('\'=cmd("x")', "by")}
    if not (Path(sys.executable).parent / "mlcroissant").exists():
        pytest.skip("mlcroissant is not installed")
    command = [str(Path(sys.executable).parent / "mlcroissant"), "validate", "--jsonld", str(folder / "croissant.json")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "Done" in done.stderr
    assert "warning" not in done.stderr.lower()


def test_croissant_gives_the_records(made: Path) -> None:
    mlcroissant = pytest.importorskip("mlcroissant")
    data = mlcroissant.Dataset(str(made / "datasets" / "splits" / "default" / "croissant.json"))
    records = [{k.split("/")[1]: v for k, v in record.items()} for record in data.records("photos")]
    assert [record["sha256"].decode() for record in records] == [
        fact["sha256"] for fact in facts(made / "datasets" / "splits" / "default")
    ]


def test_hugging_face_loads_it(made: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    datasets = pytest.importorskip("datasets")
    folder = made / "out" / "huggingface"
    for which in (("imagefolder", str(folder)), (str(folder), None)):
        loaded = datasets.load_dataset(
            which[0], data_dir=which[1], cache_dir=str(tmp_path / which[0].replace("/", "_"))
        )
        assert {name: len(part) for name, part in loaded.items()} == {"train": 6, "validation": 2, "test": 2}
        assert Counter(loaded["train"]["label"]) == {"AUDI": 3, "BMW": 3}
        first = loaded["train"][0]
        assert first["image"].size == (first["width_px"], first["height_px"])
        assert first["license"] == "by"


def test_webdataset_reads_its_shards(made: Path) -> None:
    webdataset = pytest.importorskip("webdataset")
    folder = made / "out" / "webdataset"
    seen = {}
    for part, count in (("train", 6), ("val", 2), ("test", 2)):
        shard = str(folder / f"{part}-000000.tar")
        samples = list(webdataset.WebDataset(shard, shardshuffle=False).decode("pil").to_tuple("jpg", "cls", "json"))
        assert len(samples) == count
        for image, number, told in samples:
            assert CLASSES[number] == told["class"]
            assert told["part"] == part
            seen[told["sha256"]] = image.size
    assert len(seen) == 10


def test_the_same_split_gives_the_same_bytes(made: Path, tmp_path: Path) -> None:
    run = carharvest_in(made)
    for form in ("webdataset", "coco", "parquet"):
        assert run("split", "export", form, "-o", str(tmp_path / form)).returncode == 0
        for file in (made / "out" / form).rglob("*"):
            if file.is_file():
                assert file.read_bytes() == (tmp_path / form / file.relative_to(made / "out" / form)).read_bytes()


def test_coco_is_read_by_its_own_tools_and_comes_back(made: Path, tmp_path: Path) -> None:
    coco = pytest.importorskip("pycocotools.coco")
    folder = made / "out" / "coco"
    read = coco.COCO(str(folder / "annotations" / "instances_train.json"))
    assert [c["name"] for c in read.loadCats(read.getCatIds())] == CLASSES
    assert len(read.imgs) == 6
    assert len(read.anns) == 5, "one photo has no box"
    for box in read.anns.values():
        image = read.imgs[box["image_id"]]
        assert box["bbox"] == [40, 60, 260, 180]
        with Image.open(folder / "train" / image["file_name"]) as picture:
            assert picture.size == (image["width"], image["height"])
            assert picture.getexif().get(0x0112, 1) == 1, "COCO's readers know nothing of EXIF"
    back = carharvest_in(tmp_path)("import", "coco", str(folder))
    assert "10 new photos" in back.stdout, back.stderr


def test_yolo_is_read_by_supervision_and_comes_back(made: Path, tmp_path: Path) -> None:
    supervision = pytest.importorskip("supervision")
    folder = made / "out" / "yolo"
    read = supervision.DetectionDataset.from_yolo(
        str(folder / "images" / "train"), str(folder / "labels" / "train"), str(folder / "data.yaml")
    )
    assert read.classes == CLASSES
    boxes = [detections.xyxy.tolist() for _, _, detections in read]
    assert sorted(len(of_one) for of_one in boxes) == [0, 1, 1, 1, 1, 1]
    for of_one in boxes:
        for box in of_one:
            assert box == pytest.approx([40, 60, 300, 240], abs=0.01)
    run = carharvest_in(tmp_path)
    assert "10 new photos" in run("import", "yolo", str(folder)).stdout
    only = [word for stage in ("names", "brands", "annotations", "rename") for word in ("--only", stage)]
    assert run("normalize", *only).returncode == 0
    made_ = json.loads(run("split", "--keep-parts", "--json").stdout)
    assert made_["counts"] == {
        "AUDI": {"train": 3, "val": 1, "test": 1},
        "BMW": {"train": 2, "val": 1, "test": 1},  # YOLO says what a picture shows only by a box, and one has none
    }


def test_the_manifest_is_a_table(made: Path) -> None:
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = parquet.read_table(made / "out" / "parquet" / "manifest.parquet").to_pylist()
    assert Counter((row["part"], row["class"]) for row in rows)["train", "BMW"] == 3
    assert {tuple(map(tuple, row["boxes"])) for row in rows} == {((40, 60, 300, 240),), ()}
    split = made / "datasets" / "splits" / "default"
    assert all((split / row["file"]).is_file() for row in rows)


def test_an_export_that_is_there_is_not_written_over_unasked(made: Path, tmp_path: Path) -> None:
    run = carharvest_in(made)
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("years of work")
    for options in ([], ["--replace"]):
        assert run("split", "export", "coco", "-o", str(tmp_path / "mine"), *options).returncode == 16
    assert (tmp_path / "mine" / "thesis.tex").read_text() == "years of work"
    assert run("split", "export", "coco", "-o", str(tmp_path / "new")).returncode == 0
    assert run("split", "export", "coco", "-o", str(tmp_path / "new")).returncode == 16
    assert run("split", "export", "coco", "-o", str(tmp_path / "new"), "--replace").returncode == 0
    assert run("split", "export", "coco", "nothing").returncode == 17


def test_resized_pictures_keep_their_shape_and_quality(made: Path, tmp_path: Path) -> None:
    done = carharvest_in(made)("split", "export", "imagefolder", "-o", str(tmp_path / "small"), "--resize", "200")
    assert done.returncode == 0, done.stderr
    for fact in facts(tmp_path / "small"):
        with Image.open(tmp_path / "small" / fact["file"]) as picture:
            assert picture.format == "JPEG"
            assert max(picture.size) == 200
            assert picture.size == (fact["width_px"], fact["height_px"])
        for left, top, right, bottom in fact["boxes"]:
            assert 0 <= left < right <= fact["width_px"]
            assert 0 <= top < bottom <= fact["height_px"]


def test_an_export_is_cut_to_boxes(made: Path, tmp_path: Path) -> None:
    options = ["--crop", "boxes", "--margin", "0", "--resize", "130"]
    done = carharvest_in(made)("split", "export", "yolo", "-o", str(tmp_path / "cut"), *options)
    assert done.returncode == 0, done.stderr
    assert "left out: 1 photos have no box" in done.stdout
    found = facts(tmp_path / "cut")
    assert {(f["width_px"], f["height_px"], *f["boxes"][0]) for f in found} == {(130, 90, 0, 0, 130, 90)}
    for fact in found:
        with Image.open(tmp_path / "cut" / fact["file"]) as picture:
            assert picture.size == (130, 90)
    lines = {file.read_text() for file in (tmp_path / "cut" / "labels").glob("*/*.txt")}
    assert lines == {f"{number} 0.500000 0.500000 1.000000 1.000000\n" for number in (0, 1)}


@pytest.mark.parametrize("kind", ["scene", "noise", "plain"])
def test_what_is_encoded_is_above_the_ssim(kind: str) -> None:
    noise = Image.fromarray(np.random.default_rng(1).integers(0, 255, (120, 160, 3), dtype=np.uint8))
    picture = {"scene": scene(1), "noise": noise, "plain": Image.new("RGB", (90, 60), "red")}[kind]
    with Image.open(io.BytesIO(encoded(picture))) as again:
        light = [np.asarray(p.convert("L"), dtype=np.float32) for p in (picture, again)]
    assert ssim(*light) > LEAST_SSIM
    torch = pytest.importorskip("torch")
    from train_adapter.vision import make_importable

    make_importable()
    metrics = pytest.importorskip("torchmetrics.functional.image")

    theirs = metrics.structural_similarity_index_measure(
        *(torch.from_numpy(a.copy())[None, None] for a in light), sigma=1.5, kernel_size=11, data_range=255.0
    )
    assert ssim(*light) == pytest.approx(float(theirs), abs=0.01)


@given(
    st.tuples(st.integers(0, 90), st.integers(0, 70), st.integers(1, 60), st.integers(1, 60)),
    st.integers(100, 3000), st.integers(80, 2000), st.sampled_from([None, 64, 512]), st.booleans(), st.floats(0, 2),
)  # fmt: skip
@settings(max_examples=200, deadline=None)
def test_boxes_follow_their_picture(
    corner: tuple[int, int, int, int], width: int, height: int, resize: int | None, crop: bool, margin: float
) -> None:
    left, top, across, down = corner
    box = Box(left, top, min(width, left + across), min(height, top + down))
    photo = kept(1, width_px=width, height_px=height, boxes=(box,))
    frame = frame_of(photo, Rendering(resize, crop, margin))
    assert 0 <= frame.part.left_px < frame.part.right_px <= width
    assert 0 <= frame.part.top_px < frame.part.bottom_px <= height
    if resize:
        assert max(frame.width_px, frame.height_px) <= resize
    for moved in boxes_in(frame, photo):
        assert 0 <= moved.left_px < moved.right_px <= frame.width_px
        assert 0 <= moved.top_px < moved.bottom_px <= frame.height_px
        scale = frame.width_px / (frame.part.right_px - frame.part.left_px)
        assert abs((moved.right_px - moved.left_px) - (box.right_px - box.left_px) * scale) <= 1.01


def test_a_folder_is_exchanged_in_one_step(tmp_path: Path) -> None:
    target = tmp_path / "x"
    for content in ("one", "two"):
        with whole_folder(target) as draft:
            (draft / "a").write_text(content)
            assert not target.exists() or (target / "a").read_text() == "one"
        assert (target / "a").read_text() == content
        assert [p.name for p in tmp_path.iterdir()] == ["x"]


def test_where_folders_cannot_be_exchanged_they_are_renamed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carharvest.splits.whole._exchanged", lambda one, other: False)
    test_a_folder_is_exchanged_in_one_step(tmp_path)


def test_a_full_disk_leaves_the_old_folder(tmp_path: Path) -> None:
    target = tmp_path / "x"
    target.mkdir()
    (target / "a").write_text("old")
    with pytest.raises(DiskFull), whole_folder(target) as draft:
        (draft / "a").write_text("new")
        raise OSError(28, "No space left on device")
    assert (target / "a").read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x"]


def _killed_after(folder: Path, seconds: float, *arguments: str) -> int:
    process = subprocess.Popen(
        [sys.executable, "-m", "carharvest", *arguments],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    time.sleep(seconds)
    process.send_signal(signal.SIGKILL)
    return process.wait()


def _states() -> Iterator[float]:
    yield from (0.9, 1.4, 1.8, 2.2, 2.7)


@pytest.mark.slow
def test_killed_at_any_moment_a_split_is_the_old_or_the_new_one(filled: Path) -> None:
    """Two splits of one name replace each other while processes are killed; folder and catalog agree afterwards."""
    run = carharvest_in(filled)
    target = filled / "datasets" / "splits" / "default"
    complete = {}
    for seed in ("1", "2"):
        assert run("split", "--replace", "--seed", seed).returncode == 0
        complete[json.loads((target / "split.json").read_text())["digest"]] = len(list(target.glob("*/*/*.*")))
    for round_, seconds in enumerate(_states()):
        _killed_after(filled, seconds, "split", "--replace", "--seed", str(1 + round_ % 2), "--copy")
        described = json.loads((target / "split.json").read_text())
        names = {line["file"] for line in facts(target)}
        assert names == {str(p.relative_to(target)) for p in target.glob("*/*/*.*")}
        assert sum(sum(parts.values()) for parts in described["counts"].values()) == len(names)
    assert run("split", "--replace", "--seed", "1").returncode == 0
    assert json.loads((target / "split.json").read_text())["digest"] in complete
    assert run("clean", "leftovers", "--yes").returncode == 0
    assert not list(target.parent.glob(".*"))
