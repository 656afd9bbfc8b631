"""Existing data sets come in: their classes, models, years, boxes and parts, and nothing from outside their folder."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from conftest import carharvest_in
from hypothesis import given, settings
from hypothesis import strategies as st
from pictures import coded, scene
from scipy.io import savemat

from carharvest.brands import load_brands
from carharvest.errors import BadAnnotations
from carharvest.normalize.annotations import AnnotationsStage
from carharvest.normalize.boxes import checked_boxes
from carharvest.records import Annotation, Box, Candidate, Label, Query, SaidBox
from carharvest.sources.annotated.base import AnnotatedSource, Form, part_in
from carharvest.sources.annotated.coco import Coco
from carharvest.sources.annotated.imagefolder import annotation_in
from carharvest.sources.annotated.stanford import StanfordCars
from carharvest.sources.annotated.table import Table
from carharvest.sources.annotated.voc import Voc
from carharvest.sources.annotated.yolo import Yolo

PICTURE = b"not looked at here"


def put(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(PICTURE)
    return root


def candidates(form: Form) -> dict[str, Candidate]:
    source = AnnotatedSource(form)
    return {c.file_name: c for c in source.candidates(Query(""), limit=None)}


def annotations(form: Form) -> dict[str, Annotation]:
    return {name: c.annotation for name, c in candidates(form).items() if c.annotation}


def stanford_at(root: Path) -> Path:
    put(root, "00001.jpg", "00002.jpg")
    kind = [(name, "O") for name in ("bbox_x1", "bbox_y1", "bbox_x2", "bbox_y2", "class", "fname")]
    rows = np.array(
        [(39, 116, 569, 375, 2, "00001.jpg"), (1, 1, 10, 20, 1, "00002.jpg"), (1, 1, 2, 2, 1, "00003.jpg")], kind
    )
    savemat(root / "cars_train_annos.mat", {"annotations": rows.reshape(1, -1)})
    (root / "class_names.csv").write_text("class,name\n1,AM General Hummer SUV 2000\n2,Audi TTS Coupe 2012\n")
    return root


def test_stanford_cars_from_its_matlab_table(tmp_path: Path) -> None:
    source = AnnotatedSource(StanfordCars(stanford_at(tmp_path / "cars")))
    found = {c.file_name: c.annotation for c in source.candidates(Query(""), limit=None)}
    assert source.missing == 1
    box = SaidBox(38, 115, 569, 375)
    assert found["00001.jpg"] == Annotation(("Audi TTS Coupe 2012",), part="train", boxes=(box,))


def test_coco_with_several_boxes_and_a_licence(tmp_path: Path) -> None:
    put(tmp_path, "train/1.jpg", "2.jpg")
    told = {
        "images": [
            {"id": 7, "file_name": "1.jpg", "width": 640, "height": 480, "license": 4},
            {"id": 8, "file_name": "2.jpg", "width": 64, "height": 48},
        ],
        "licenses": [{"id": 4, "name": "Attribution License", "url": "http://creativecommons.org/licenses/by/2.0/"}],
        "categories": [{"id": 1, "name": "BMW"}, {"id": 2, "name": "person"}],
        "annotations": [
            {"image_id": 7, "category_id": 1, "bbox": [10, 20, 30, 40]},
            {"image_id": 7, "category_id": 2, "bbox": [1.5, 2, 3, 4]},
        ],
    }
    (tmp_path / "instances_train2017.json").write_text(json.dumps(told))
    found = candidates(Coco(tmp_path / "instances_train2017.json", tmp_path))
    assert found["1.jpg"].license == "by"
    assert found["1.jpg"].annotation == Annotation(
        ("BMW", "person"),
        part="train",
        boxes=(SaidBox(10, 20, 40, 60, "px", "BMW"), SaidBox(1.5, 2, 4.5, 6, "px", "person")),
        width_px=640,
        height_px=480,
    )
    assert found["2.jpg"].annotation == Annotation((), part="train", width_px=64, height_px=48)


def test_yolo_with_boxes_outlines_and_paths_of_another_machine(tmp_path: Path) -> None:
    put(tmp_path, "images/train/1.jpg", "images/val/2.png", "more/3.jpg")
    (tmp_path / "labels/train").mkdir(parents=True)
    (tmp_path / "labels/train/1.txt").write_text("1 0.5 0.5 0.2 0.4\n\n0 0.1 0.1 0.3 0.1 0.3 0.5\n")
    (tmp_path / "test.txt").write_text("./more/3.jpg\n")
    (tmp_path / "data.yaml").write_text(
        "path: /somebody/else/cars\ntrain: ../images/train\nvalid: images/val\n"
        "test: test.txt\nnames: {0: Audi, 1: BMW}\n"
    )
    found = annotations(Yolo(tmp_path))
    assert {name: a.part for name, a in found.items()} == {"1.jpg": "train", "2.png": "val", "3.jpg": "test"}
    first, second = found["1.jpg"].boxes
    assert (first.class_name, first.unit) == ("BMW", "share")
    assert (first.left, first.top, first.right, first.bottom) == pytest.approx((0.4, 0.3, 0.6, 0.7))
    assert (second.left, second.top, second.right, second.bottom) == pytest.approx((0.1, 0.1, 0.3, 0.5))
    assert found["2.png"].boxes == ()


def test_voc_with_its_lists_of_parts(tmp_path: Path) -> None:
    put(tmp_path, "JPEGImages/a.jpg", "JPEGImages/b.jpg")
    (tmp_path / "Annotations").mkdir()
    (tmp_path / "ImageSets/Main").mkdir(parents=True)
    (tmp_path / "ImageSets/Main/test.txt").write_text("b\n")
    thing = (
        "<object><name>{}</name><bndbox><xmin>{}</xmin><ymin>2</ymin><xmax>30</xmax><ymax>40</ymax></bndbox></object>"
    )
    for name, things in (("a", thing.format("Skoda", 1) + thing.format("dog", 5)), ("b", "")):
        size = "<size><width>64</width><height>48</height></size>"
        text = f"<annotation><filename>{name}.jpg</filename>{size}{things}</annotation>"
        (tmp_path / f"Annotations/{name}.xml").write_text(text)
    found = annotations(Voc(tmp_path))
    assert found["a.jpg"].class_names == ("Skoda", "dog")
    assert found["a.jpg"].boxes[0] == SaidBox(0, 1, 30, 40, "px", "Skoda")
    assert (found["a.jpg"].part, found["b.jpg"].part) == (None, "test")


def test_a_table_with_a_row_a_box(tmp_path: Path) -> None:
    put(tmp_path, "p/1.jpg", "p/2.jpg")
    (tmp_path / "cars.csv").write_text(
        "Filename;Make;Model;Year;View;Split;xmin;ymin;xmax;ymax;licence\n"
        "p/1.jpg;VW;Golf GTI;2011;front left;valid;1;2;30;40;CC BY 2.0\n"
        "p/1.jpg;VW;Golf GTI;2011;;;50;2;60;40;\n"
        "p/2.jpg;Škoda;;;;;;;;;\n"
    )
    found = candidates(Table(tmp_path / "cars.csv", tmp_path))
    said = found["1.jpg"].annotation
    assert said == Annotation(
        ("VW",), "Golf GTI", 2011, "val", (SaidBox(1, 2, 30, 40, "px", "VW"), SaidBox(50, 2, 60, 40, "px", "VW"))
    )
    assert (found["1.jpg"].view_asked, found["1.jpg"].license) == ("front-left", "by")
    assert found["2.jpg"].annotation == Annotation(("Škoda",))


@pytest.mark.parametrize(
    ("folder", "part", "classes"),
    [
        ("cars/Train/bmw", "train", ("bmw",)),
        ("cars/valid/VW Golf", "val", ("VW Golf",)),
        ("test/bmw", None, ("bmw",)),
        ("cars/bmw/testing", "test", ("bmw",)),
        ("cars", None, ()),
    ],
)
def test_folders_tell_part_and_class(folder: str, part: str | None, classes: tuple[str, ...]) -> None:
    assert annotation_in(folder) == Annotation(classes, part=part)


def test_the_part_in_a_name_is_found() -> None:
    assert [part_in(n) for n in ("instances_val2017", "train", "my_test_set", "validation", "cars")] == [
        "val", "train", "test", "val", None,
    ]  # fmt: skip


def hostile(tmp_path: Path, name: str) -> list[Form]:
    """The same name of a picture in every form."""
    (tmp_path / "c.json").write_text(json.dumps({"images": [{"id": 1, "file_name": name}]}))
    with (tmp_path / "t.csv").open("w", newline="") as file:
        csv.writer(file).writerows([["file", "brand"], [name, "BMW"]])
    (tmp_path / "v" / "Annotations").mkdir(parents=True)
    (tmp_path / "v" / "Annotations" / "1.xml").write_text(f"<annotation><filename>{name}</filename></annotation>")
    (tmp_path / "y").mkdir()
    (tmp_path / "y" / "train.txt").write_text(name + "\n")
    (tmp_path / "y" / "data.yaml").write_text("train: train.txt\nnames: [BMW]\n")
    return [
        Coco(tmp_path / "c.json", tmp_path),
        Table(tmp_path / "t.csv", tmp_path),
        Voc(tmp_path / "v"),
        Yolo(tmp_path / "y"),
    ]


@pytest.mark.parametrize("name", ["../secret.jpg", "/etc/passwd", "a/../../secret.jpg", "..\\secret.jpg"])
def test_no_form_reads_outside_its_folder(tmp_path: Path, name: str) -> None:
    put(tmp_path, "secret.jpg")
    inner = tmp_path / "set"
    inner.mkdir()
    for form in hostile(inner, name):
        with pytest.raises(BadAnnotations, match="leads out"):
            candidates(form)


def test_a_link_out_of_the_folder_is_not_followed(tmp_path: Path) -> None:
    put(tmp_path, "secret.jpg")
    inner = tmp_path / "set"
    inner.mkdir()
    (inner / "1.jpg").symlink_to(tmp_path / "secret.jpg")
    (inner / "t.csv").write_text("file\n1.jpg\n")
    with pytest.raises(BadAnnotations, match="leads out"):
        candidates(Table(inner / "t.csv", inner))


def test_xml_of_a_stranger_reads_no_file(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("top secret")
    put(tmp_path, "1.jpg")
    (tmp_path / "1.xml").write_text(
        f'<!DOCTYPE a [<!ENTITY x SYSTEM "file://{tmp_path}/secret">]>'
        "<annotation><filename>1.jpg</filename><object><name>&x;</name></object></annotation>"
    )
    assert "secret" not in repr(annotations(Voc(tmp_path)))


@pytest.mark.parametrize(
    ("make", "says"),
    [
        (lambda p: Coco(p, p), "no .json"),
        (lambda p: Coco(put_text(p, "a.json", "{"), p), "no JSON"),
        (lambda p: Coco(put_text(p, "a.json", "[]"), p), "no `images`"),
        (lambda p: Coco(put_text(p, "a.json", '{"images": 5}'), p), "list of objects"),
        (lambda p: Coco(put_text(p, "a.json", '{"images": [], "annotations": [{"bbox": [1, 2]}]}'), p), "annotation 1"),
        (lambda p: Yolo(p), "no data.yaml"),
        (lambda p: Yolo(put_text(p, "data.yaml", "a: [")), "no YAML"),
        (lambda p: Yolo(put_text(p, "data.yaml", "train: x\n")), "no `names`"),
        (lambda p: Yolo(put_text(p, "data.yaml", "train: x\nnames: [BMW]\n")), "is not below"),
        (lambda p: Voc(p), "no .xml"),
        (lambda p: Voc(put_text(p, "a.xml", "<annotation>").parent), "no XML"),
        (lambda p: Table(put_text(p, "a.csv", "brand\nBMW\n"), p), "no column of file names"),
        (lambda p: Table(put_text(p, "a.csv", "file,x1,y1,x2,y2\na.jpg,1,2,three,4\n"), p), "line 2: 'three' is no"),
        (lambda p: StanfordCars(p), "has none of"),
        (lambda p: StanfordCars(put_text(p, "cars_train_annos.mat", "no").parent), "class_names.csv|MATLAB"),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_said_with_its_place(tmp_path: Path, make: Any, says: str) -> None:
    with pytest.raises(BadAnnotations, match=says):
        candidates(make(tmp_path))


def put_text(folder: Path, name: str, text: str) -> Path:
    (folder / name).write_text(text)
    return folder / name


@pytest.mark.parametrize(
    ("said", "box", "problems"),
    [
        (SaidBox(10, 10, 50, 40), Box(10, 10, 50, 40), ()),
        (SaidBox(-1, 0, 101, 80), Box(0, 0, 100, 80), ()),
        (SaidBox(-20, 10, 50, 40), Box(0, 10, 50, 40), ("box-outside",)),
        (SaidBox(200, 10, 250, 40), None, ("box-outside",)),
        (SaidBox(50, 40, 10, 10), Box(10, 10, 50, 40), ("box-swapped",)),
        (SaidBox(10, 10, 10, 40), None, ("box-empty",)),
        (SaidBox(0.1, 0.25, 0.5, 0.5, "share"), Box(10, 20, 50, 40), ()),
    ],
)
def test_boxes_are_held_against_the_picture(said: SaidBox, box: Box | None, problems: tuple[str, ...]) -> None:
    (checked,) = checked_boxes(Annotation(boxes=(said,)), 100, 80)
    assert (checked.box, checked.problems) == (box, problems)


def test_boxes_of_the_picture_in_another_size_are_scaled_if_its_shape_is_the_same() -> None:
    said = Annotation(boxes=(SaidBox(20, 20, 100, 80),), width_px=200, height_px=160)
    assert checked_boxes(said, 100, 80)[0].box == Box(10, 10, 50, 40)
    assert checked_boxes(said, 80, 100)[0].box is None


@given(
    st.lists(st.tuples(*[st.floats(-1e6, 1e6)] * 4, st.sampled_from(["px", "share"])), max_size=4),
    st.integers(1, 3000),
    st.integers(1, 3000),
)
@settings(max_examples=200, deadline=None)
def test_a_box_that_is_used_lies_in_the_picture(boxes: list[Any], width: int, height: int) -> None:
    said = Annotation(boxes=tuple(SaidBox(*box) for box in boxes))
    for checked in checked_boxes(said, width, height):
        if checked.box is not None:
            box = checked.box
            assert 0 <= box.left_px < box.right_px <= width
            assert 0 <= box.top_px < box.bottom_px <= height
            assert Box.parsed(box.text) == box
        else:
            assert checked.problems


@pytest.mark.parametrize(
    ("class_name", "model", "year"),
    [
        ("Audi TTS Coupe 2012", "TTS Coupe", "2012"),
        ("AM General Hummer SUV 2000", "Hummer SUV", "2000"),
        ("Land Rover Range Rover SUV 2012", "Range Rover SUV", "2012"),
        ("Dodge Caravan Minivan 1997", "Caravan Minivan", "1997"),
        ("Audi 100 Sedan 1994’", "100 Sedan", "1994"),
        ("bmw", None, None),
        ("person", None, None),
    ],
)
def test_a_class_name_tells_model_and_year(class_name: str, model: str | None, year: str | None) -> None:
    from dataclasses import replace

    from test_normalize import SEEN, photo

    mapping = load_brands()
    seen = replace(SEEN, annotation=Annotation((class_name,)), title="", alt="", file_name="1.jpg")
    said = {o.kind: o.value for o in AnnotationsStage(mapping).run([photo(1, seen)]) if isinstance(o, Label)}
    assert (said.get("model"), said.get("year")) == (model, year)


def test_an_imported_set_keeps_its_parts_and_boxes(tmp_path: Path) -> None:
    """From a table to a split by model, with crops, in the parts that the table says."""
    root = tmp_path / "set"
    root.mkdir()
    lines = ["file,make,model,split,x1,y1,x2,y2"]
    for number in range(8):
        (root / f"{number}.jpg").write_bytes(coded(scene(number)))
        lines.append(
            f"{number}.jpg,Audi,{'A4' if number % 2 else 'A6'},{'test' if number < 3 else 'train'},40,60,300,240"
        )
    lines[8] = "7.jpg,Audi,A4,train,300,240,40,60"
    (root / "set.csv").write_text("\n".join(lines) + "\n")
    run = carharvest_in(tmp_path)
    done = run("import", "csv", "set/set.csv", "--license", "cc0", "--page", "https://example.org/set")
    assert done.returncode == 0, done.stderr
    assert run("normalize", "--skip", "content", "--skip", "features", "--skip", "audit").returncode == 0
    why = run("why", "7.jpg").stdout
    assert "box-swapped" in why
    assert "box = 40,60,300,240" in why
    made = run("split", "--by", "model", "--keep-parts", "--crop", "boxes", "--margin", "0.05", "--json")
    assert made.returncode == 0, made.stderr
    assert json.loads(made.stdout)["counts"] == {
        "AUDI A4": {"train": 3, "val": 0, "test": 1},
        "AUDI A6": {"train": 2, "val": 0, "test": 2},
    }
    split = tmp_path / "datasets" / "splits" / "default"
    lines_ = list(map(json.loads, (split / "photos.jsonl").read_text().splitlines()))
    assert {(line["width_px"], line["height_px"]) for line in lines_} == {(286, 198)}
    assert all(line["boxes"] == [[13, 9, 273, 189]] for line in lines_)
    assert all(line["license"] == "cc0" for line in lines_)
    again = run("import", "csv", "set/set.csv", "--license", "cc0", "--page", "https://example.org/set", "--json")
    assert json.loads(again.stdout)["new"] == 0


def test_the_real_stanford_photos_come_with_their_boxes(tmp_path: Path, shared: Path) -> None:
    run = carharvest_in(tmp_path)
    done = run("import", "stanford-cars", str(shared / "photos" / "stanford"))
    assert "60 new photos" in done.stdout
    only = [word for stage in ("names", "brands", "annotations", "rename") for word in ("--only", stage)]
    assert run("normalize", *only).returncode == 0
    made = json.loads(run("split", "--json").stdout)
    assert sum(sum(parts.values()) for parts in made["counts"].values()) == 60
    lines = list(map(json.loads, (tmp_path / "datasets/splits/default/photos.jsonl").read_text().splitlines()))
    assert all(len(line["boxes"]) == 1 and line["model"] and 1990 < line["year"] < 2013 for line in lines)
    brands = {line["brand"] for line in lines}
    assert {"AUDI", "DODGE", "AM GENERAL", "LAND ROVER", "ROLLS-ROYCE"} - brands <= {"AM GENERAL"}
