"""The trainer: alone on folders, the same for the same seed, resumable, with clear errors."""

import io
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from conftest import ROOT
from PIL import Image

torch = pytest.importorskip("torch")

from train_adapter.body import CarClassifier, load_lite0  # noqa: E402  after the check that torch is there
from train_adapter.errors import TrainingError  # noqa: E402
from train_adapter.folder import pixels, read_folder  # noqa: E402
from train_adapter.predict import load_trained  # noqa: E402
from train_adapter.recipe import load_recipe, parse_recipe, recipe_names  # noqa: E402
from train_adapter.train import train, unfinished_runs  # noqa: E402

RECIPE = load_recipe("fast-cpu")
SHORT = RECIPE.model_copy(
    update={"image_px": 64, "stages": tuple(s.model_copy(update={"epochs": 4}) for s in RECIPE.stages)}
)


def paint(kind: int, seed: int) -> Image.Image:
    """Stripes one way or the other: easy to tell apart, yet never the same."""
    rng = np.random.default_rng(seed)
    wave = np.sin(np.arange(96) * (0.3 + 0.2 * rng.random()) + rng.random() * 6)
    stripes = np.tile(wave if kind else wave[:, None], (96, 1) if kind else (1, 96))
    noisy = 128 + 90 * stripes + rng.normal(0, 25, (96, 96))
    return Image.fromarray(noisy.clip(0, 255).astype(np.uint8)).convert("RGB")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("stripes")
    for part, count in (("train", 16), ("val", 6), ("test", 6)):
        for kind, name in enumerate(("ACROSS", "DOWN")):
            (root / part / name).mkdir(parents=True)
            for n in range(count):
                paint(kind, 1000 * kind + 100 * len(part) + n).save(root / part / name / f"{n}.png")
    (root / "labels.txt").write_text("ACROSS\nDOWN\n")
    return root


def test_a_run_learns_and_leaves_what_it_promises(folder: Path, tmp_path: Path) -> None:
    result = train(folder, SHORT, tmp_path / "runs" / "a", cache=tmp_path / "cache", seed=1)
    assert result["test_accuracy"] >= 0.9
    assert result["photos"] == {"train": 32, "val": 12, "test": 12}
    run = tmp_path / "runs" / "a"
    assert json.loads((run / "result.json").read_text()) == result
    page = (run / "report.html").read_text()
    assert "http://" not in page and "https://" not in page  # self-contained
    assert page.count("data:image/png;base64,") == 3
    rows = (run / "metrics.csv").read_text().splitlines()
    assert rows[0] == "stage,epoch,train_loss,val_loss,val_accuracy,head_lr"
    assert 4 <= len(rows) <= 9
    trained = load_trained(run)
    files = tuple(sorted((folder / "test").rglob("*.png")))
    predictions = trained.predict(files)
    right = sum(p.ranking[0][0] == p.file.parent.name for p in predictions)
    assert right / len(files) == pytest.approx(result["test_accuracy"], abs=1e-6)
    assert unfinished_runs(tmp_path / "runs") == []


def test_the_same_seed_gives_the_same_metrics_with_and_without_the_cache(folder: Path, tmp_path: Path) -> None:
    runs = []
    for name, cache in (("a", "cache"), ("b", "cache"), ("c", "other")):
        result = train(folder, SHORT, tmp_path / name, cache=tmp_path / cache, seed=3)
        runs.append(((tmp_path / name / "metrics.csv").read_text(), result["test_accuracy"], result["macro_f1"]))
    assert runs[0] == runs[1] == runs[2]
    other = train(folder, SHORT, tmp_path / "d", cache=tmp_path / "cache", seed=4)
    assert (tmp_path / "d" / "metrics.csv").read_text() != runs[0][0]
    assert other["seed"] == 4


@pytest.mark.parametrize("blow", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_like_an_unbroken_one(folder: Path, tmp_path: Path, blow: signal.Signals) -> None:
    script = (
        "import sys; from pathlib import Path\n"
        "from train_adapter.recipe import load_recipe; from train_adapter.train import train\n"
        "r = load_recipe('fast-cpu')\n"
        "longer = {'epochs': 12, 'patience': 12}\n"
        "stages = tuple(s.model_copy(update=longer) for s in r.stages)\n"
        "r = r.model_copy(update={'image_px': 64, 'stages': stages})\n"
        "data, run, cache = map(Path, sys.argv[1:4])\n"
        "train(data, r, run, cache=cache, seed=5, resume=len(sys.argv) > 4)\n"
    )

    def command(name: str, *more: str) -> list[str]:
        return [sys.executable, "-c", script, str(folder), str(tmp_path / name), str(tmp_path / "cache"), *more]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    subprocess.run(command("whole"), env=environment, check=True, capture_output=True)
    wanted = random.Random(int(blow)).randint(2, 16)
    metrics = tmp_path / "broken" / "metrics.csv"
    process = subprocess.Popen(command("broken"), env=environment, stderr=subprocess.PIPE)
    while process.poll() is None and (not metrics.exists() or metrics.read_text().count("\n") <= wanted):
        time.sleep(0.005)
    process.send_signal(blow)
    process.communicate(timeout=60)
    assert not (tmp_path / "broken" / "result.json").exists()
    assert unfinished_runs(tmp_path) == [tmp_path / "broken"]
    subprocess.run(command("broken", "resume"), env=environment, check=True, capture_output=True)
    assert metrics.read_text() == (tmp_path / "whole" / "metrics.csv").read_text()
    whole, broken = (json.loads((tmp_path / n / "result.json").read_text()) for n in ("whole", "broken"))
    for name in ("test_accuracy", "macro_f1", "val_accuracy", "best_stage", "stages"):
        assert whole[name] == broken[name]


def test_the_weights_are_imagenet_s(shared: Path) -> None:
    """A body whose tensors were mapped wrongly would not put cars together."""
    model = CarClassifier("tf_efficientnet_lite0", 2, 0.0)
    load_lite0(model)
    model.eval()
    cars = sorted((shared / "photos" / "stanford").glob("*.jpg"))[:8]
    logos = sorted((shared / "photos" / "not_cars").glob("*.png"))[:8]
    with torch.no_grad():
        from train_adapter.folder import normalised

        batch = normalised(torch.stack([pixels(f, 224) for f in cars + logos]), model.mean, model.std)
        features = torch.nn.functional.normalize(model.tail(model.trunk(batch)), dim=1)
    alike = features @ features.T
    assert alike[:8, :8].mean() > alike[:8, 8:].mean() + 0.2


def test_loading_weights_runs_no_code(tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    checkpoint = tmp_path / "last.ckpt"
    torch.save({"state_dict": Evil()}, checkpoint)
    from train_adapter.fit import _load_weights

    with pytest.raises(Exception, match=r"[Ww]eights"):
        _load_weights(CarClassifier("tf_efficientnet_lite0", 2, 0.0), checkpoint)
    assert not (tmp_path / "ran").exists()


def test_pixels_are_the_whole_photo_upright_on_white(tmp_path: Path) -> None:
    logo = Image.new("RGBA", (80, 40), (0, 0, 0, 0))
    logo.paste((255, 0, 0, 255), (0, 0, 40, 40))
    logo.save(tmp_path / "logo.png")
    square = pixels(tmp_path / "logo.png", 32)
    assert tuple(square.shape) == (3, 32, 32)
    assert square[:, 16, 28].tolist() == [255, 255, 255]
    assert square[:, 16, 4].tolist() == [255, 0, 0]
    exif = Image.Exif()
    exif[0x0112] = 3
    buffer = io.BytesIO()
    logo.convert("RGB").save(buffer, "JPEG", exif=exif, quality=95)
    (tmp_path / "turned.jpg").write_bytes(buffer.getvalue())
    assert pixels(tmp_path / "turned.jpg", 32)[0, 16, 28] > 200


def test_folders_that_cannot_be_trained_on_are_refused(folder: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(folder, tmp_path / name))

    with pytest.raises(TrainingError, match="no folder train"):
        read_folder(tmp_path)
    one = copy("one")
    shutil.rmtree(one / "train" / "DOWN")
    (one / "labels.txt").write_text("ACROSS\n")
    with pytest.raises(TrainingError) as raised:
        read_folder(one)
    assert raised.value.one_class
    odd = copy("odd")
    (odd / "labels.txt").write_text("ACROSS\nUP\n")
    with pytest.raises(TrainingError, match="DOWN, UP"):
        read_folder(odd)
    empty = copy("empty")
    shutil.rmtree(empty / "val")
    with pytest.raises(TrainingError, match="has no photos"):
        read_folder(empty)


def test_recipes_are_checked() -> None:
    assert "fast-cpu" in recipe_names()
    with pytest.raises(TrainingError, match="fast-cpuu"):
        load_recipe("fast-cpuu")
    with pytest.raises(TrainingError, match=r"batch.*stages"):
        parse_recipe(
            "{name: x, summary: y, body: b, weights: lite0, image_px: 64, batch: no, dropout: 0, label_smoothing: 0,"
            " stages: []}",
            "x.yaml",
        )
    with pytest.raises(TrainingError, match="no YAML"):
        parse_recipe("{", "x.yaml")


def test_a_run_is_not_written_over(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(TrainingError, match="there already"):
        train(folder, SHORT, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    with pytest.raises(TrainingError, match="no run to go on"):
        train(folder, SHORT, tmp_path / "new", cache=tmp_path / "cache", seed=1, resume=True)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"model.safetensors"):
        load_trained(tmp_path)
