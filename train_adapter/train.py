"""One training run: from an ImageFolder and a recipe to a model, its scores and its report."""

import os
import time
from dataclasses import asdict, dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import lightning as L
import torch

from train_adapter.ask import Asked, boxes_of_pictures, of_pictures
from train_adapter.calibration import fitted_temperature
from train_adapter.callbacks import OnEpoch, read_metrics
from train_adapter.checks import cheap_checks
from train_adapter.collapse import collapse_of
from train_adapter.device import pick_device
from train_adapter.errors import MissingPackage, TrainingError
from train_adapter.evaluate import Evaluation, evaluation
from train_adapter.fit import best_of, fit, quiet
from train_adapter.folder import PARTS, Folder, read_folder
from train_adapter.job import Job
from train_adapter.leaks import Check
from train_adapter.leave import leave
from train_adapter.losses import box_iou
from train_adapter.network import Network, build_network
from train_adapter.pictures import Pictures, pictures
from train_adapter.progress import Progress, silent
from train_adapter.recipe import Recipe
from train_adapter.run_folder import Settings, read_settings, seconds_so_far, write_settings
from train_adapter.weights import load_weights

_MOST_WORKERS = 8


@dataclass(frozen=True, slots=True)
class Options:
    """How to train, where it does not change what comes out. `workers`: processes that prepare pictures."""

    device: str = "auto"
    workers: int | None = None
    wandb: bool = False
    despite_leaks: bool = False


def train(
    data: Path,
    recipe: Recipe,
    run: Path,
    *,
    cache: Path,
    seed: int,
    resume: bool = False,
    options: Options | None = None,
    progress: Progress = silent,
) -> dict[str, Any]:
    """Trains, tests, and fills the folder `run`; returns what result.json says.

    With `resume` a run that was interrupted goes on; the recipe, the data and the seed are those it began with.
    `collapsed` in the result says that the model learned nothing, and why. Raises TrainingError.
    """
    started = time.monotonic()
    spent = 0.0
    if resume:
        settings = read_settings(run)
        spent = seconds_so_far(run)
    elif run.exists() and any(run.iterdir()):
        raise TrainingError(f"{run} is there already", hint="choose another --name, or go on with --resume")
    else:
        settings = Settings(data, seed, recipe)
    network, job, checks = prepare(settings, run, cache, options or Options(), progress=progress, fresh=not resume)
    try:
        stages = fit(network, job)
    finally:
        (run / "seconds.txt").write_text(f"{spent + time.monotonic() - started:.1f}\n", encoding="utf-8")
    folder, recipe = job.folder, settings.recipe
    tested, validated, said = _judged(network, job)
    collapse = collapse_of(network, recipe, folder, job.pictures["val"], said, read_metrics(run / "metrics.csv"))
    result = {
        "name": run.name,
        "recipe": recipe.name,
        "body": recipe.body,
        "data": str(settings.data),
        "seed": settings.seed,
        "classes": list(folder.classes),
        "photos": {name: len(part) for name, part in folder.parts.items()},
        "test_accuracy": round(tested.accuracy.value, 6),
        "test_accuracy_interval": [round(tested.accuracy.low, 6), round(tested.accuracy.high, 6)],
        "macro_f1": round(tested.macro_f1.value, 6),
        "top3": round(tested.top3, 6),
        "test_iou": None if tested.mean_iou is None else round(tested.mean_iou, 6),
        "val_accuracy": round(validated.accuracy.value, 6),
        "temperature": round(tested.temperature, 6),
        "calibration_error": round(tested.calibration_error, 6),
        "best_stage": best_of(stages, recipe).name,
        "stages": [asdict(stage) for stage in stages],
        "collapsed": None if collapse is None else asdict(collapse),
        "checks": [asdict(check) for check in checks],
        "speed": dict(job.speed),
        "seconds": round(spent + time.monotonic() - started, 1),
    }
    leave(run, network, folder, tested, result)
    return result


def prepare(
    settings: Settings,
    run: Path,
    cache: Path,
    options: Options,
    *,
    progress: Progress = silent,
    on_epoch: OnEpoch | None = None,
    fresh: bool = True,
) -> tuple[Network, Job, list[Check]]:
    """The network with its first weights, and the job to fit it; the cheap checks are done. Raises TrainingError."""
    quiet()
    if options.wandb and find_spec("wandb") is None:
        raise MissingPackage("--wandb needs the package wandb", hint='pip install "carharvest[wandb]"')
    recipe, device = settings.recipe, pick_device(options.device)
    folder = read_folder(settings.data)
    network = network_of(recipe, len(folder.classes), settings.seed)
    found = {
        name: pictures(folder.parts[name], recipe.image.kept_px, recipe.image.fit, cache, progress) for name in PARTS
    }
    checks = cheap_checks(network, recipe, folder, found, despite_leaks=options.despite_leaks)
    run.mkdir(parents=True, exist_ok=True)
    if fresh:
        write_settings(run, settings, device.accelerator)
    (run / "labels.txt").write_text("".join(f"{name}\n" for name in folder.classes), encoding="utf-8")
    workers = options.workers
    if workers is None:
        workers = min(_MOST_WORKERS, os.cpu_count() or 1) if device.accelerated else 0
    job = Job(recipe, folder, found, run, cache, settings.seed, device, workers, options.wandb, progress, on_epoch)
    return network, job, checks


def network_of(recipe: Recipe, classes: int, seed: int) -> Network:
    """The network of a recipe before its first step: pretrained body, a head by chance."""
    L.seed_everything(seed, verbose=False)
    network = build_network(recipe, classes)
    load_weights(network.body, recipe.body, recipe.weights, recipe.drop_path)
    return network


def judge(
    network: Network, recipe: Recipe, folder: Folder, held: Pictures, temperature: float, progress: Progress
) -> tuple[Evaluation, torch.Tensor]:
    """The evaluation on a part, and the (n, classes) log probabilities it rests on."""
    asked = Asked(network, recipe, folder.classes)
    said = of_pictures(asked, held, progress)
    ious = None
    if recipe.boxes:
        true = torch.tensor([held.part.facts_of(n).box or (float("nan"),) * 4 for n in range(len(held))])
        ious = box_iou(boxes_of_pictures(asked, held, progress), true)
    return evaluation(held.part, folder.classes, folder.class_facts, said, temperature, ious), said


def _judged(network: Network, job: Job) -> tuple[Evaluation, Evaluation, torch.Tensor]:
    """Of test and of val, with a temperature of val; and what was said of val."""
    recipe, folder = job.recipe, job.folder
    _, said = judge(network, recipe, folder, job.pictures["val"], 1.0, job.progress)
    temperature = fitted_temperature(said, torch.tensor(folder.parts["val"].targets))
    validated = evaluation(folder.parts["val"], folder.classes, folder.class_facts, said, temperature)
    tested, _ = judge(network, recipe, folder, job.pictures["test"], temperature, job.progress)
    return tested, validated, said.softmax(dim=1)
