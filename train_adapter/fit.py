"""Runs the stages of a recipe with Lightning's loop; each can be resumed where it was interrupted."""

import gc
import json
import logging
import signal
import threading
import warnings
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from train_adapter.activations import activations, features
from train_adapter.augment import Changes
from train_adapter.callbacks import EpochSeed, MetricsTable, News, OnEpoch, Stopwatch
from train_adapter.collapse import CollapseWatch, chance_loss
from train_adapter.device import Device
from train_adapter.errors import TrainingError
from train_adapter.folder import Folder, mirrored_classes
from train_adapter.imbalance import sampler_odds
from train_adapter.loading import ActivationData, EpochSampler, PictureData, loader
from train_adapter.losses import training_loss
from train_adapter.module import StageModule
from train_adapter.network import Network
from train_adapter.pictures import Pictures
from train_adapter.progress import Progress, silent
from train_adapter.recipe import Recipe, Stage

Data = PictureData | ActivationData


@dataclass(frozen=True, slots=True)
class StageResult:
    """How a stage ended: its best epoch by what the recipe watches."""

    name: str
    best: float  # the value of `monitor`
    best_checkpoint: str  # relative to the run
    epochs: int


@dataclass(frozen=True, slots=True)
class Job:
    """What a fit needs beside the network: where from, where to, and by what."""

    recipe: Recipe
    folder: Folder
    pictures: Mapping[str, Pictures]
    run: Path
    cache: Path
    seed: int
    device: Device
    workers: int = 0
    wandb: bool = False
    progress: Progress = silent
    on_epoch: OnEpoch | None = None
    speed: dict[str, dict[str, float]] = field(default_factory=dict)  # filled stage by stage


def fit(network: Network, job: Job) -> list[StageResult]:
    """Trains the network by the recipe and leaves it with the weights of the best epoch.

    Checkpoints go to `run`/checkpoints/STAGE/; stages that are done are not run again.
    """
    quiet()
    recipe = job.recipe
    network.to(job.device.torch)
    done = _finished_stages(job.run)
    results: list[StageResult] = []
    for stage in recipe.stages:
        if results:
            _load_weights(network, job.run / best_of(results, recipe).best_checkpoint)
        if stage.name in done:
            results.append(done[stage.name])
            continue
        results.append(_fit_stage(network, stage, job))
        text = json.dumps([asdict(result) for result in results], indent=2)
        (job.run / "stages.json").write_text(text + "\n", encoding="utf-8")
    _load_weights(network, job.run / best_of(results, recipe).best_checkpoint)
    return results


def best_of(results: list[StageResult], recipe: Recipe) -> StageResult:
    """The stage whose best epoch is the model; the first of equals."""
    if recipe.monitor == "val_loss":
        return min(results, key=lambda result: result.best)
    return max(results, key=lambda result: result.best)


def micro_batches(batch: int) -> list[int]:
    """Sizes to try one after the other: each divides `batch` and is at most half of the one before."""
    sizes = [batch]
    while sizes[-1] > 1:
        sizes.append(max(n for n in range(1, sizes[-1] // 2 + 1) if batch % n == 0))
    return sizes


def out_of_memory(error: RuntimeError) -> bool:
    """Whether memory is what is missing, on whichever device."""
    return isinstance(error, torch.OutOfMemoryError) or "can't allocate memory" in str(error)


def _fit_stage(network: Network, stage: Stage, job: Job) -> StageResult:
    """Where the memory does not do, it goes on from the last whole epoch with smaller batches and the same steps."""
    begun = {name: tensor.cpu().clone() for name, tensor in network.state_dict().items()}
    train, val = _data(network, stage, job)
    sizes = micro_batches(job.recipe.batch)
    for size, smaller in zip(sizes, [*sizes[1:], 0], strict=True):
        try:
            return _run_stage(network, stage, job, train, val, size)
        except RuntimeError as error:
            if not out_of_memory(error):
                raise
            if not smaller:
                raise TrainingError(
                    "the memory does not do for a single photo",
                    hint="use a smaller body (--set body=…) or smaller pictures",
                ) from None
            job.progress(f"out of memory at {size} photos a batch: going on with {smaller}", 0, stage.epochs)
        network.load_state_dict(begun)  # outside the handler: there, the traceback would keep the memory
        gc.collect()
        torch.cuda.empty_cache()
    raise TrainingError("unreachable: a batch of one photo either fits or raises")


def _run_stage(network: Network, stage: Stage, job: Job, train: Data, val: Data, micro: int) -> StageResult:
    recipe = job.recipe
    L.seed_everything(job.seed, verbose=False)
    checkpoints = job.run / "checkpoints" / stage.name
    mode = "min" if recipe.monitor == "val_loss" else "max"
    # At the end of an epoch, not of its validation: only then is the epoch whole and can be gone on from.
    best = ModelCheckpoint(
        checkpoints,
        "best",
        monitor=recipe.monitor,
        mode=mode,
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    last = ModelCheckpoint(checkpoints, "last", enable_version_counter=False, save_on_train_epoch_end=True)
    watch = Stopwatch()
    callbacks: list[L.Callback] = [
        MetricsTable(job.run / "metrics.csv", stage.name),
        EpochSeed(job.seed),
        CollapseWatch(chance_loss(job.folder.parts["val"], network.classes), stage.epochs),
        News(stage.name, job.progress, job.on_epoch),
        watch,
        best,
        last,
    ]
    if stage.patience:
        callbacks.insert(
            0, EarlyStopping(recipe.monitor, mode=mode, patience=stage.patience, check_on_train_epoch_end=False)
        )
    if stage.ema:
        callbacks.append(EMAWeightAveraging(decay=stage.ema))
    module = StageModule(network, recipe, stage, training_loss(recipe, job.folder))
    loggers = _loggers(stage, job)
    trainer = L.Trainer(
        accelerator=job.device.accelerator,
        devices=1,
        precision=job.device.precision(recipe.precision),
        max_epochs=stage.epochs,
        accumulate_grad_batches=recipe.batch // micro,
        gradient_clip_val=stage.optimizer.clip or None,
        deterministic=True if job.device.accelerator == "cpu" else "warn",
        logger=loggers,
        callbacks=callbacks,
        log_every_n_steps=1,
        enable_progress_bar=False,
        enable_model_summary=False,
        num_sanity_val_steps=0,
        default_root_dir=job.run,
    )
    odds = sampler_odds(recipe.imbalance, job.folder.parts["train"].targets)
    order = EpochSampler(len(train), job.seed, shuffle=True, odds=odds)
    workers = job.workers if stage.sees == "pictures" else 0
    resumed = checkpoints / "last.ckpt"
    module.train()  # Lightning keeps the modes it finds
    handler = signal.getsignal(signal.SIGINT)
    try:
        trainer.fit(
            module,
            loader(train, order, micro, workers),
            loader(val, EpochSampler(len(val), job.seed, shuffle=False), micro, 0),
            ckpt_path=resumed if resumed.exists() else None,
            weights_only=True,
        )
    except SystemExit:  # Lightning's answer to Ctrl-C
        if trainer.interrupted:
            raise KeyboardInterrupt from None
        raise
    finally:
        if job.wandb:
            loggers[-1].experiment.finish()  # or the next stage would be told of as part of this one
        if threading.current_thread() is threading.main_thread():
            signal.signal(signal.SIGINT, handler)
    job.speed[stage.name] = watch.told()
    found = torch.load(checkpoints / "best.ckpt", weights_only=True)
    score = best.best_model_score
    worst = float("inf") if mode == "min" else 0.0
    return StageResult(
        stage.name,
        float(score) if score is not None else worst,
        str((checkpoints / "best.ckpt").relative_to(job.run)),
        int(found["epoch"]) + 1,
    )


def _data(network: Network, stage: Stage, job: Job) -> tuple[Data, Data]:
    recipe, folder = job.recipe, job.folder
    train, val = job.pictures["train"], job.pictures["val"]
    if stage.sees == "pictures":
        changes = Changes(recipe.augment, recipe.image, mirrored_classes(folder.classes))
        return (
            PictureData(train, recipe.image, changes, job.seed, recipe.boxes),
            PictureData(val, recipe.image, None, job.seed, recipe.boxes),
        )
    arrays = [activations(network, train, recipe, job.cache, mirrored=False, progress=job.progress)]
    targets = [folder.parts["train"].targets]
    sides = mirrored_classes(folder.classes) if recipe.augment.flip else None
    if sides is not None:
        arrays.append(activations(network, train, recipe, job.cache, mirrored=True, progress=job.progress))
        targets.append(tuple(sides[target] for target in targets[0]))
    held_out = activations(network, val, recipe, job.cache, mirrored=False, progress=job.progress)
    if stage.trains == "head":
        arrays = [features(network, array) for array in arrays]
        held_out = features(network, held_out)
    return (
        ActivationData(arrays, targets, job.seed),
        ActivationData([held_out], [folder.parts["val"].targets], job.seed),
    )


def _loggers(stage: Stage, job: Job) -> list[Any]:
    found: list[Any] = [TensorBoardLogger(job.run, name="tensorboard", version=stage.name)]
    if job.wandb:
        from lightning.pytorch.loggers import WandbLogger

        found.append(WandbLogger(name=f"{job.run.name}-{stage.name}", project="carharvest", save_dir=job.run))
    return found


def _load_weights(network: Network, checkpoint: Path) -> None:
    state = torch.load(checkpoint, weights_only=True, map_location="cpu")["state_dict"]
    network.load_state_dict({name.removeprefix("network."): tensor for name, tensor in state.items()})


def _finished_stages(run: Path) -> dict[str, StageResult]:
    file = run / "stages.json"
    if not file.exists():
        return {}
    return {entry["name"]: StageResult(**entry) for entry in json.loads(file.read_text(encoding="utf-8"))}


def quiet() -> None:
    """Lightning's advice (more workers, longer logs) is for other kinds of runs."""
    for name in ("lightning.pytorch", "lightning.fabric", "lightning"):
        logging.getLogger(name).setLevel(logging.ERROR)
    warnings.filterwarnings("ignore", module="lightning.*")
