"""One training run: from an ImageFolder and a recipe to a model, its scores and its report."""

import csv
import json
import platform
import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import Any

import lightning as L
import torch
import yaml
from safetensors.torch import save_file

from train_adapter.activations import Progress
from train_adapter.body import CarClassifier, load_lite0
from train_adapter.callbacks import read_metrics
from train_adapter.errors import TrainingError
from train_adapter.evaluate import Evaluation, evaluate
from train_adapter.fit import fit
from train_adapter.folder import Folder, read_folder
from train_adapter.plots import confusion
from train_adapter.recipe import Recipe, parse_recipe
from train_adapter.report import write_report


def _silent(_what: str, _done: int, _total: int) -> None:
    return None


def train(
    data: Path, recipe: Recipe, run: Path, *, cache: Path, seed: int, resume: bool = False, progress: Progress = _silent
) -> dict[str, Any]:
    """Trains, tests, and fills the folder `run`; returns what result.json says.

    With `resume` a run that was interrupted goes on; the recipe, the data and the seed are those it began with.
    Raises TrainingError.
    """
    started = time.monotonic()
    spent = 0.0
    if resume:
        settings = _settings_of(run)
        recipe = parse_recipe(yaml.safe_dump(settings["recipe"]), str(run / "run.yaml"))
        data, seed, spent = Path(settings["data"]), settings["seed"], _seconds_so_far(run)
    elif run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is there already", hint="choose another --name, or go on with --resume")
    folder = read_folder(data)
    run.mkdir(parents=True, exist_ok=True)
    if not resume:
        _write_settings(run, data, recipe, seed)
    (run / "labels.txt").write_text("".join(f"{name}\n" for name in folder.classes), encoding="utf-8")
    L.seed_everything(seed, verbose=False)
    model = CarClassifier(recipe.body, len(folder.classes), recipe.dropout)
    load_lite0(model)
    body_id = f"{recipe.body} {recipe.weights}"
    try:
        stages = fit(model, recipe, folder, run, cache, body_id, seed, progress)
    finally:
        (run / "seconds.txt").write_text(f"{spent + time.monotonic() - started:.1f}\n", encoding="utf-8")
    tested = evaluate(model, folder.parts["test"], folder.classes, recipe.image_px, progress)
    validated = evaluate(model, folder.parts["val"], folder.classes, recipe.image_px, progress)
    result = {
        "name": run.name,
        "recipe": recipe.name,
        "data": str(data),
        "seed": seed,
        "classes": list(folder.classes),
        "photos": {name: len(part) for name, part in folder.parts.items()},
        "test_accuracy": round(tested.accuracy, 6),
        "macro_f1": round(tested.macro_f1, 6),
        "val_accuracy": round(validated.accuracy, 6),
        "best_stage": min(stages, key=lambda stage: stage.best_val_loss).name,
        "stages": [asdict(stage) for stage in stages],
        "seconds": round(spent + time.monotonic() - started, 1),
    }
    _leave(run, model, folder, tested, result)
    return result


def unfinished_runs(runs: Path) -> list[Path]:
    """Runs that began and have no result, the newest last."""
    begun = [file.parent for file in runs.glob("*/run.yaml") if not (file.parent / "result.json").exists()]
    return sorted(begun, key=lambda run: (run / "run.yaml").stat().st_mtime_ns)


def _leave(run: Path, model: CarClassifier, folder: Folder, tested: Evaluation, result: Mapping[str, Any]) -> None:
    state = {name: tensor.contiguous() for name, tensor in model.state_dict().items()}
    save_file(state, run / "model.safetensors", metadata={"classes": json.dumps(list(folder.classes))})
    with (run / "per_class.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "precision", "recall", "f1", "photos"])
        for score in tested.per_class:
            writer.writerow(
                [score.name, f"{score.precision:.4f}", f"{score.recall:.4f}", f"{score.f1:.4f}", score.photos]
            )
    with (run / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *folder.classes])
        for name, row in zip(folder.classes, tested.confusion, strict=True):
            writer.writerow([name, *row])
    (run / "confusion.png").write_bytes(confusion(tested, folder.classes))
    write_report(run / "report.html", dict(result), tested, folder.classes, read_metrics(run / "metrics.csv"))
    # The result comes last: it says that the run is whole.
    (run / "result.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def _write_settings(run: Path, data: Path, recipe: Recipe, seed: int) -> None:
    settings = {
        "data": str(data.absolute()),
        "seed": seed,
        "recipe": recipe.model_dump(mode="json"),
        "environment": {
            "python": platform.python_version(),
            "torch": str(torch.__version__),
            "lightning": L.__version__,
            "machine": platform.machine(),
            "threads": torch.get_num_threads(),
        },
    }
    (run / "run.yaml").write_text(yaml.safe_dump(settings, sort_keys=False, allow_unicode=True), encoding="utf-8")


def _settings_of(run: Path) -> dict[str, Any]:
    file = run / "run.yaml"
    if not file.exists():
        raise TrainingError(f"there is no run to go on with in {run}", hint="start one without --resume")
    settings: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
    return settings


def _seconds_so_far(run: Path) -> float:
    file = run / "seconds.txt"
    return float(file.read_text(encoding="utf-8")) if file.exists() else 0.0
