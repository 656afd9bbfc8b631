"""The trainer: alone on folders, the same for the same seed, resumable, with clear errors."""

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

torch = pytest.importorskip("torch")

from tensorboard.backend.event_processing.event_accumulator import EventAccumulator  # noqa: E402  after torch

from train_adapter.__main__ import main  # noqa: E402
from train_adapter.callbacks import read_metrics  # noqa: E402
from train_adapter.errors import Leak, TrainingError  # noqa: E402
from train_adapter.fit import _load_weights, micro_batches  # noqa: E402
from train_adapter.folder import read_folder  # noqa: E402
from train_adapter.network import Network, build_network  # noqa: E402
from train_adapter.predict import load_trained  # noqa: E402
from train_adapter.recipe import Recipe, load_recipe, parse_recipe  # noqa: E402
from train_adapter.run_folder import unfinished_runs  # noqa: E402
from train_adapter.train import train  # noqa: E402

SHORT = load_recipe("fast-cpu", ["image.px=64", "stages.*.epochs=4"])

# Everything that has a state: two stages, chance in augmentation, mixing and dropout, a rate by step, averaged weights.
MANY = """
name: many
summary: of the tests
body: plain-bn-8-16
weights: scratch
image: {px: 32, load_px: 40}
augment: {flip: true, crop: 0.6, rotate: 10, jitter: 0.2, erase: 0.2, mixup: 0.2, cutmix: 1.0}
head: {dropout: 0.2, hidden: 8}
batch: 8
imbalance: [sampler, logit-adjustment]
optimizer: {lr: 0.01, clip: 1.0}
stages:
  - {name: warm, trains: all, epochs: 6, frozen_epochs: 2, schedule: {name: plateau, patience: 0}}
  - {name: main, trains: 1, epochs: 6, ema: 0.9, schedule: {name: onecycle}, patience: 6}
"""

# No chance and no BatchNorm: what comes out depends on the photos of a step alone, not on how they are divided.
PLAIN = """
name: plain
summary: of the tests
body: plain-8-16
weights: scratch
image: {px: 32}
batch: 16
optimizer: {lr: 0.01}
stages: [{name: all, trains: all, epochs: 3}]
"""


def test_a_run_learns_and_leaves_what_it_promises(stripes: Path, tmp_path: Path) -> None:
    result = train(stripes, SHORT, tmp_path / "runs" / "a", cache=tmp_path / "cache", seed=1)
    assert result["test_accuracy"] >= 0.9
    assert result["collapsed"] is None
    assert result["photos"] == {"train": 32, "val": 12, "test": 12}
    run = tmp_path / "runs" / "a"
    assert json.loads((run / "result.json").read_text()) == result
    page = (run / "report.html").read_text()
    assert "http://" not in page and "https://" not in page  # self-contained
    assert page.count("data:image/png;base64,") == 4
    for name in ("curves", "confusion", "per_class", "reliability"):
        assert (run / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    rows = read_metrics(run / "metrics.csv")
    assert 3 <= len(rows) <= 8
    assert {"stage", "epoch", "train_loss", "train_accuracy", "val_loss", "val_accuracy", "lr"} <= set(rows[0])
    assert "torch==" in (run / "environment.txt").read_text()
    events = EventAccumulator(str(run / "tensorboard" / "head"))
    events.Reload()
    told = [event.value for event in events.Scalars("val_accuracy")]
    assert told == pytest.approx([float(row["val_accuracy"]) for row in rows if row["stage"] == "head"], abs=1e-6)
    trained = load_trained(run)
    files = tuple(sorted((stripes / "test").rglob("*.png")))
    predictions = trained.predict(files)
    right = sum(p.ranking[0][0] == p.file.parent.name for p in predictions)
    assert right / len(files) == pytest.approx(result["test_accuracy"], abs=1e-6)
    assert unfinished_runs(tmp_path / "runs") == []


def test_the_same_seed_gives_the_same_metrics_with_and_without_the_cache(stripes: Path, tmp_path: Path) -> None:
    recipe = parse_recipe(MANY, "many", ["stages.*.epochs=3"])
    runs = []
    for name, cache, seed in (("a", "cache", 3), ("b", "cache", 3), ("c", "other", 3), ("d", "cache", 4)):
        result = train(stripes, recipe, tmp_path / name, cache=tmp_path / cache, seed=seed)
        runs.append(((tmp_path / name / "metrics.csv").read_text(), result["test_accuracy"], result["stages"]))
    assert runs[0] == runs[1] == runs[2]
    assert runs[3][0] != runs[0][0]


@pytest.mark.parametrize("blow", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_an_interrupted_run_ends_like_an_unbroken_one(stripes: Path, tmp_path: Path, blow: signal.Signals) -> None:
    (tmp_path / "many.yaml").write_text(MANY)

    def command(name: str, *more: str) -> list[str]:
        where = ["--data", str(stripes), "--run", str(tmp_path / name), "--cache", str(tmp_path / "cache")]
        return [sys.executable, "-m", "train_adapter", "--recipe", str(tmp_path / "many.yaml"), *where, *more]

    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    whole = subprocess.run(command("whole"), env=environment, check=False, capture_output=True, text=True)
    assert whole.returncode in (0, 26), whole.stderr
    wanted = random.Random(int(blow)).randint(1, 10)
    metrics = tmp_path / "broken" / "metrics.csv"
    process = subprocess.Popen(
        command("broken"), env=environment, stderr=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    while process.poll() is None and (not metrics.exists() or metrics.read_text().count("\n") <= wanted):
        time.sleep(0.005)
    process.send_signal(blow)
    _, told = process.communicate(timeout=60)
    if blow == signal.SIGINT:
        assert process.returncode == 130 and "--resume" in told
    assert not (tmp_path / "broken" / "result.json").exists()
    assert unfinished_runs(tmp_path) == [tmp_path / "broken"]
    resumed = subprocess.run(command("broken", "--resume"), env=environment, check=False, capture_output=True)
    assert resumed.returncode == whole.returncode
    assert metrics.read_text() == (tmp_path / "whole" / "metrics.csv").read_text()
    ends = [json.loads((tmp_path / n / "result.json").read_text()) for n in ("whole", "broken")]
    for name in ("test_accuracy", "macro_f1", "val_accuracy", "best_stage", "stages", "temperature"):
        assert ends[0][name] == ends[1][name]


def test_where_memory_does_not_do_the_steps_stay_the_same(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    recipe = parse_recipe(PLAIN, "plain")
    train(stripes, recipe, tmp_path / "enough", cache=tmp_path / "cache", seed=1)
    plain, sizes = Network.forward, []

    def short_of_memory(network: Network, pictures: torch.Tensor) -> torch.Tensor:
        sizes.append(len(pictures))
        if len(pictures) > 4:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return plain(network, pictures)

    monkeypatch.setattr(Network, "forward", short_of_memory)
    news: list[str] = []
    train(
        stripes, recipe, tmp_path / "short", cache=tmp_path / "cache", seed=1,
        progress=lambda what, done, total: news.append(what),
    )  # fmt: skip
    assert {16, 8, 4} <= set(sizes)
    assert any("out of memory at 16 photos" in line for line in news)
    found = [
        [float(row[key]) for row in read_metrics(tmp_path / name / "metrics.csv") for key in ("train_loss", "val_loss")]
        for name in ("enough", "short")
    ]
    assert found[0] == pytest.approx(found[1], abs=2e-4)


def test_out_of_memory_with_a_single_photo_is_an_error(
    stripes: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    plain = Network.forward

    def none(network: Network, pictures: torch.Tensor) -> torch.Tensor:
        if not torch.is_grad_enabled():
            return plain(network, pictures)
        raise torch.OutOfMemoryError("CUDA out of memory")

    recipe = parse_recipe(PLAIN, "plain")
    monkeypatch.setattr(Network, "forward", none)
    with pytest.raises(TrainingError, match="memory"):
        train(stripes, recipe, tmp_path / "run", cache=tmp_path / "cache", seed=1)


def test_micro_batches_divide_the_batch() -> None:
    assert micro_batches(48) == [48, 24, 12, 6, 3, 1]
    assert micro_batches(50) == [50, 25, 10, 5, 2, 1]
    for batch in range(1, 200):
        assert all(batch % size == 0 for size in micro_batches(batch))


@pytest.mark.parametrize(
    ("change", "cause"),
    [
        (["optimizer.lr=1e-9"], "has not learned"),
        (["optimizer.lr=1e30", "optimizer.name=sgd", "optimizer.weight_decay=0"], "no longer numbers"),
    ],
)
def test_a_collapse_is_named_with_its_cause(stripes: Path, tmp_path: Path, change: list[str], cause: str) -> None:
    recipe = parse_recipe(PLAIN, "plain", [*change, "stages.all.epochs=12", "image.px=32"])
    result = train(stripes, recipe, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    assert result["collapsed"] is not None
    assert cause in result["collapsed"]["cause"]
    assert len(read_metrics(tmp_path / "run" / "metrics.csv")) <= 5  # it does not go on for the rest of its epochs
    assert "learned nothing" in (tmp_path / "run" / "report.html").read_text()


def test_dead_features_and_batchnorm_are_told_apart(stripes: Path, tmp_path: Path) -> None:
    from train_adapter.collapse import collapse_of
    from train_adapter.folder import read_folder
    from train_adapter.pictures import pictures
    from train_adapter.progress import silent

    recipe = parse_recipe(PLAIN, "plain")
    folder = read_folder(stripes)
    val = pictures(folder.parts["val"], 32, "squash", tmp_path, silent)
    constant = torch.full((12, 2), 0.5) + torch.tensor([0.01, -0.01])
    dead = build_network(recipe, 2)
    for parameter in dead.body.parameters():
        torch.nn.init.constant_(parameter, -1.0)
    found = collapse_of(dead, recipe, folder, val, constant, [])
    assert found is not None and "ReLUs" in found.cause
    learned = [{"train_accuracy": "0.97"}]
    found = collapse_of(build_network(recipe, 2), recipe, folder, val, constant, learned)
    assert found is not None and "BatchNorm" in found.cause
    right = torch.nn.functional.one_hot(torch.tensor(val.part.targets), 2).float()
    assert collapse_of(dead, recipe, folder, val, right, []) is None


def test_loading_weights_runs_no_code(stripes: Path, tmp_path: Path) -> None:
    class Evil:
        def __reduce__(self) -> tuple[object, tuple[str]]:
            return (os.system, (f"touch {tmp_path / 'ran'}",))

    checkpoint = tmp_path / "last.ckpt"
    torch.save({"state_dict": Evil()}, checkpoint)
    with pytest.raises(Exception, match=r"[Ww]eights"):
        _load_weights(build_network(SHORT, 2), checkpoint)
    with pytest.raises(TrainingError, match="no plain weights") as raised:
        recipe = SHORT.model_copy(update={"weights": str(checkpoint)})
        train(stripes, recipe, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    assert "cannot run code" in raised.value.hint
    run = tmp_path / "planted"
    (run / "checkpoints" / "all").mkdir(parents=True)
    shutil.copy(checkpoint, run / "checkpoints" / "all" / "last.ckpt")
    with pytest.raises(Exception, match=r"[Ww]eights"):
        plain = parse_recipe(PLAIN, "plain")
        _begun(run, stripes, plain)
        train(stripes, plain, run, cache=tmp_path / "cache", seed=1, resume=True)
    assert not (tmp_path / "ran").exists()


def _begun(run: Path, data: Path, recipe: Recipe) -> None:
    from train_adapter.run_folder import Settings, write_settings

    write_settings(run, Settings(data, 1, recipe), "cpu")


def test_folders_that_cannot_be_trained_on_are_refused(stripes: Path, tmp_path: Path) -> None:
    def copy(name: str) -> Path:
        return Path(shutil.copytree(stripes, tmp_path / name))

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
    lines = copy("lines")
    (lines / "photos.jsonl").write_text('{"file": "train/DOWN/1.png"}\n')
    with pytest.raises(TrainingError, match=r"line 1 of .*photos\.jsonl"):
        read_folder(lines)
    broken = copy("broken")
    (broken / "train" / "DOWN" / "3.png").write_bytes(b"\x89PNG no")
    with pytest.raises(TrainingError, match=r"3\.png does not decode"):
        train(broken, SHORT, tmp_path / "run", cache=tmp_path / "cache", seed=1)


def test_a_split_whose_parts_share_photos_is_refused(stripes: Path, tmp_path: Path) -> None:
    leaky = Path(shutil.copytree(stripes, tmp_path / "leaky"))
    shutil.copy(leaky / "train" / "DOWN" / "3.png", leaky / "test" / "DOWN" / "another.png")
    with pytest.raises(Leak, match=r"train/DOWN/3\.png and test/DOWN/another\.png"):
        train(leaky, SHORT, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    assert not (tmp_path / "run").exists()


def test_a_run_is_not_written_over(stripes: Path, tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "precious").write_text("x")
    with pytest.raises(TrainingError, match="there already"):
        train(stripes, SHORT, tmp_path / "run", cache=tmp_path / "cache", seed=1)
    with pytest.raises(TrainingError, match="no run to go on"):
        train(stripes, SHORT, tmp_path / "new", cache=tmp_path / "cache", seed=1, resume=True)


def test_what_is_no_model_is_refused(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match=r"model.safetensors"):
        load_trained(tmp_path)


def test_alone_it_tells_errors_and_results(
    stripes: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "plain.yaml").write_text(PLAIN)
    assert main(["--data", str(tmp_path), "--recipe", "plain.yaml"]) == 1
    assert "hint: " in capsys.readouterr().err
    assert (
        main(["--data", str(stripes), "--recipe", "plain.yaml", "--set", "stages.all.epochs=8", "--workers", "1"]) == 0
    )
    result = json.loads(capsys.readouterr().out)
    assert result["name"] == "run"
    assert np.isfinite(result["test_accuracy"])
    assert (tmp_path / "runs" / "run" / "model.safetensors").exists()
