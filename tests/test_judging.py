"""What is told of a trained model: scores, families, calibration, where it looks, exports, better numbers."""

import csv
import json
import math
import shutil
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from conftest import carharvest_in
from hypothesis import given, settings
from hypothesis import strategies as st

torch = pytest.importorskip("torch")

from train_adapter.calibration import calibrated, calibration_error, fitted_temperature  # noqa: E402  after torch
from train_adapter.compare import compare  # noqa: E402
from train_adapter.errors import TrainingError  # noqa: E402
from train_adapter.evaluate import evaluation, families, family_order  # noqa: E402
from train_adapter.explain import explain, share_inside  # noqa: E402
from train_adapter.export import FORMS, export  # noqa: E402
from train_adapter.folder import ClassFacts, Part, PhotoFacts  # noqa: E402
from train_adapter.judged import judged_run  # noqa: E402
from train_adapter.predict import load_for_prediction, load_trained  # noqa: E402
from train_adapter.recipe import load_recipe, parse_recipe  # noqa: E402
from train_adapter.space import parse_ranges  # noqa: E402
from train_adapter.train import train  # noqa: E402
from train_adapter.tune import Tuning, tune  # noqa: E402

TINY = """
name: tiny
summary: of the tests
body: plain-bn-8-16
weights: scratch
image: {px: 32}
augment: {flip: true}
head: {dropout: 0.1}
batch: 16
test_flip: true
optimizer: {lr: 0.02}
stages: [{name: all, trains: all, epochs: 8}]
"""
BRANDS = ("ACURA", "AUDI", "HONDA", "LEXUS", "SKODA", "TOYOTA", "VOLKSWAGEN")
FACTS = (
    ClassFacts("Honda", "HONDA"), ClassFacts("Volkswagen", ""), ClassFacts("Honda", ""), ClassFacts("Toyota", "TOYOTA"),
    ClassFacts("Volkswagen", ""), ClassFacts("Toyota", ""), ClassFacts("Volkswagen", ""),
)  # fmt: skip


@pytest.fixture(scope="module")
def run(stripes: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A trained model, with boxes for the photos of its split."""
    root = tmp_path_factory.mktemp("judged")
    data = Path(shutil.copytree(stripes, root / "data"))
    told = [
        {
            "file": file.relative_to(data).as_posix(),
            "width_px": 96,
            "height_px": 96,
            "boxes": [[24, 24, 72, 72]],
            "source": ("pexels", "flickr")[n % 2],
        }
        for n, file in enumerate(sorted(data.rglob("*.png")))
    ]
    (data / "photos.jsonl").write_text("\n".join(map(json.dumps, told)) + "\n")
    train(data, parse_recipe(TINY, "tiny"), root / "runs" / "tiny", cache=root / "cache", seed=1)
    return root / "runs" / "tiny"


def test_relatives_are_counted_by_company_group_and_pair() -> None:
    # AUDI as SKODA, ACURA as HONDA, HONDA as ACURA, LEXUS as AUDI, TOYOTA as LEXUS, VOLKSWAGEN right
    found = families(BRANDS, FACTS, [1, 0, 2, 3, 5, 6], [4, 2, 0, 1, 3, 6])
    assert found is not None
    assert (found.errors, found.in_group, found.in_pair) == (5, 4, 3)
    assert found.by_chance == pytest.approx(2 / 6 + 4 * 1 / 6)
    assert found.groups == {"Honda": (2, 2), "Toyota": (2, 1), "Volkswagen": (1, 1)}
    assert found.pairs == {"ACURA and HONDA": (2, 2), "LEXUS and TOYOTA": (2, 1)}
    assert families(BRANDS, (), [0], [1]) is None
    assert [BRANDS[n] for n in family_order(BRANDS, FACTS)] == [
        "ACURA", "HONDA", "LEXUS", "TOYOTA", "AUDI", "SKODA", "VOLKSWAGEN",
    ]  # fmt: skip


def test_scores_are_those_of_a_hand_count() -> None:
    facts = tuple(PhotoFacts("rear" if n < 5 else "front", "pexels", 300, 150 if n % 2 else 600) for n in range(10))
    part = Part("test", tuple(Path(f"{n}.jpg") for n in range(10)), (0,) * 6 + (1,) * 4, facts)
    said = [0, 0, 0, 0, 1, 2, 1, 1, 1, 0]
    shares = torch.full((10, 4), 0.05)
    shares[torch.arange(10), torch.tensor(said)] = 0.85
    found = evaluation(part, ("A", "B", "C", "D"), (), shares.log(), 1.0)
    assert found.accuracy.value == pytest.approx(0.7)
    assert found.accuracy.low < 0.7 < found.accuracy.high
    f1 = [2 * 4 / (6 + 5), 2 * 3 / (4 + 4)]
    assert found.macro_f1.value == pytest.approx(sum(f1) / 2)
    assert [row[:3] for row in found.confusion[:2]] == [[4, 1, 1], [1, 3, 0]]
    assert {(s.by, s.name, s.photos): s.accuracy.value for s in found.slices} == pytest.approx(
        {
            ("view", "front", 5): 3 / 5, ("view", "rear", 5): 4 / 5,
            ("shorter side", "200 to 499 px", 5): 4 / 5, ("shorter side", "under 200 px", 5): 3 / 5,
        }
    )  # fmt: skip


@settings(max_examples=30, deadline=None)
@given(st.floats(0.4, 4.0), st.integers(0, 100))
def test_a_temperature_is_found_again(true: float, seed: int) -> None:
    """Logits that were made too sure by a factor are cooled by that factor."""
    rng = np.random.default_rng(seed)
    logits = torch.tensor(rng.normal(0, 1.5, (4000, 4)))
    targets = torch.distributions.Categorical(logits=logits).sample()
    log_p = (logits * true).log_softmax(dim=1)
    found = fitted_temperature(log_p, targets)
    assert found == pytest.approx(true, rel=0.2)
    if not 0.8 < true < 1.25:
        assert calibration_error(calibrated(log_p, found), targets) < calibration_error(calibrated(log_p, 1.0), targets)


def test_a_run_is_judged_again_as_it_was(run: Path, tmp_path: Path) -> None:
    trained = load_trained(run)
    result = json.loads((run / "result.json").read_text())
    found = judged_run(trained, trained.data, "test", cache=tmp_path)
    assert found.accuracy.value == pytest.approx(result["test_accuracy"], abs=1e-6)
    assert found.calibration_error == pytest.approx(result["calibration_error"], abs=1e-5)
    assert {s.by for s in found.slices} == {"source"}
    other = Path(shutil.copytree(trained.data, tmp_path / "other"))
    for part in ("train", "val", "test"):
        (other / part / "DOWN").rename(other / part / "UP")
    (other / "labels.txt").unlink()
    (other / "photos.jsonl").unlink()
    with pytest.raises(TrainingError, match="other classes"):
        judged_run(trained, other, "test", cache=tmp_path)


def test_runs_are_compared_on_the_photos_that_both_have(run: Path, tmp_path: Path) -> None:
    worse = Path(shutil.copytree(run, tmp_path / "worse"))
    with (run / "predictions.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    right = [row for row in rows if row["true"] == row["predicted"]]
    for row in right[: len(rows) // 3]:
        row["predicted"] = "DOWN" if row["true"] == "ACROSS" else "ACROSS"
    with (worse / "predictions.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    same, found = compare([run, worse])
    assert same.difference is None
    assert found.difference is not None and found.shared == 12
    assert found.difference.value == pytest.approx(-4 / 12)
    assert found.difference.high < 0
    with pytest.raises(TrainingError, match="no finished run"):
        compare([tmp_path])


def test_heat_is_shown_and_counted_inside_the_box(run: Path, tmp_path: Path) -> None:
    heat = np.zeros((40, 40))
    heat[:, :10] = 1
    assert share_inside(heat, (0.0, 0.0, 0.25, 1.0)) == 1
    assert share_inside(heat, (0.5, 0.0, 1.0, 1.0)) == 0
    assert share_inside(heat, (0.0, 0.0, 0.5, 0.5)) == pytest.approx(0.5)
    found = explain(load_trained(run), part="test", photos=3, cache=tmp_path)
    assert len(found.right) == 3
    assert [e.probability for e in found.right] == sorted((e.probability for e in found.right), reverse=True)
    assert found.in_box is not None and 0 < found.in_box < 1
    assert found.box_share == pytest.approx(0.25)
    page = found.page.read_text()
    assert page.count("data:image/jpeg") == len(found.right) + len(found.wrong)
    assert "http://" not in page and "https://" not in page


def test_exports_say_the_same_as_pytorch(run: Path, tmp_path: Path) -> None:
    trained = load_trained(run, "cpu")
    with pytest.raises(TrainingError, match="no form 'tflite'"):
        export(trained, ["tflite"], cache=tmp_path)
    found = {e.form: e for e in export(trained, list(FORMS), cache=tmp_path)}
    assert set(found) == set(FORMS)
    for form in ("onnx", "torchscript"):
        assert found[form].agreement == 1 and found[form].farthest < 1e-4
    assert found["onnx-fp16"].farthest < 0.02
    assert found["onnx-fp16"].megabytes < found["onnx"].megabytes
    for form in ("onnx-int8", "onnx-int8-calibrated"):
        assert found[form].agreement >= 0.75
    assert all(e.latency_ms > 0 and (run / e.file).exists() for e in found.values())
    assert json.loads((run / "export.json").read_text())[0]["form"] == FORMS[0]
    files = sorted((trained.data / "test").rglob("*.png"))
    # An ONNX file is asked of a photo alone, not of its mirror image too.
    plain = replace(load_trained(run), recipe=trained.recipe.model_copy(update={"test_flip": False}))
    theirs = load_for_prediction(run / "model.onnx").predict(files)
    for a, b in zip(plain.predict(files), theirs, strict=True):
        assert [name for name, _ in a.ranking] == [name for name, _ in b.ranking]
        assert a.ranking[0][1] == pytest.approx(b.ranking[0][1], abs=1e-4)
    (run / "labels.txt").write_text("ACROSS\nDOWN\nMORE\n")
    with pytest.raises(TrainingError, match="2 classes"):
        load_for_prediction(run / "model.onnx")
    (run / "labels.txt").write_text("ACROSS\nDOWN\n")
    (run / "broken.onnx").write_bytes(b"nothing")
    with pytest.raises(TrainingError, match="no ONNX model"):
        load_for_prediction(run / "broken.onnx")


def test_a_study_goes_on_where_it_stopped(stripes: Path, tmp_path: Path) -> None:
    def plan(trials: int, vary: tuple[str, ...] = ("optimizer.lr=log:1e-4..0.1", "batch=8|16")) -> Tuning:
        return Tuning(stripes, TINY, ("stages.all.epochs=2",), vary, trials, "random", 3)

    first = tune(plan(2), tmp_path / "study", cache=tmp_path / "cache")
    assert [row["trial"] for row in sorted(first.table, key=lambda row: row["trial"])] == [1, 2]
    begun = next(row for row in first.table if row["trial"] == 1)
    assert (begun["optimizer.lr"], begun["batch"]) == (0.02, 16)  # the recipe as it is comes first
    assert first.as_it_is == begun["val_loss"]
    more = tune(plan(4), tmp_path / "study", cache=tmp_path / "cache")
    assert len(more.table) == 4
    assert {row["optimizer.lr"] for row in first.table} < {row["optimizer.lr"] for row in more.table}
    assert len({row["optimizer.lr"] for row in more.table}) == 4  # the second sitting does not draw the same again
    done = [row["val_loss"] for row in more.table if row["state"] == "complete"]
    assert more.best_value == min(done) <= first.best_value
    again = tune(plan(4), tmp_path / "study", cache=tmp_path / "cache")
    assert again.table == more.table
    best = load_recipe(str(tmp_path / "study" / "best.yaml"))
    assert best.stages[0].optimizer.lr == more.best["optimizer.lr"]
    assert (tmp_path / "study" / "tune.png").read_bytes().startswith(b"\x89PNG")
    assert not (tmp_path / "study" / "trial").exists()
    with pytest.raises(TrainingError, match="another ranges"):
        tune(plan(5, ("head.dropout=0..0.5",)), tmp_path / "study", cache=tmp_path / "cache")


def test_ranges_that_make_no_sense_are_refused() -> None:
    assert parse_ranges(["a.b=int:1..5"])["a.b"].whole
    for text in ("a", "a=", "a=5..1", "a=log:0..1", "a=around:1..2", "a=x..y"):
        with pytest.raises(TrainingError, match="no range"):
            parse_ranges([text])


@pytest.mark.slow
def test_the_commands_around_a_run(run: Path, stripes: Path, tmp_path: Path) -> None:
    shutil.copytree(run.parent, tmp_path / "datasets" / "runs")
    carharvest = carharvest_in(tmp_path)
    listed = carharvest("recipes", "--json")
    assert "fast-cpu" in [recipe["name"] for recipe in json.loads(listed.stdout)]
    assert carharvest("recipes", "best").stdout.startswith("name: best")
    told = json.loads(carharvest("evaluate", "tiny", "--json").stdout)
    assert told["accuracy"]["low"] <= told["accuracy"]["value"] <= told["accuracy"]["high"]
    table = carharvest("compare", "tiny", "tiny").stdout
    assert "+0.0 points" in table
    photos = sorted((stripes / "test" / "DOWN").iterdir())[:2]
    command = [sys.executable, "-m", "carharvest", "predict", "tiny", "-", "--json"]
    listed_photos = "\n".join(map(str, photos))
    done = subprocess.run(command, input=listed_photos, cwd=tmp_path, capture_output=True, text=True, check=False)
    found = json.loads(done.stdout)
    assert [entry["photo"] for entry in found] == [str(photo) for photo in photos]
    assert math.fsum(brand["probability"] for brand in found[0]["brands"]) == pytest.approx(1, abs=1e-4)
    nothing = carharvest("evaluate", "tiny", "--part", "best")
    assert nothing.returncode != 0 and "train, val, test" in nothing.stderr
