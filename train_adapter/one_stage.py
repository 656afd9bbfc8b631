"""One stage of a recipe with Lightning's loop: its callbacks, its loggers, its checkpoints."""

import signal
import threading
from pathlib import Path
from typing import Any

import lightning as L
import torch
from lightning.pytorch.callbacks import EarlyStopping, EMAWeightAveraging, ModelCheckpoint
from lightning.pytorch.loggers import TensorBoardLogger

from train_adapter.callbacks import EpochSeed, MetricsTable, News, Stopwatch
from train_adapter.collapse import CollapseWatch, chance_loss
from train_adapter.imbalance import sampler_odds
from train_adapter.job import Data, Job, StageResult
from train_adapter.loading import EpochSampler, loader
from train_adapter.losses import training_loss
from train_adapter.module import StageModule
from train_adapter.network import Network
from train_adapter.recipe import Stage


def run_stage(network: Network, stage: Stage, job: Job, train: Data, val: Data, micro: int) -> StageResult:
    """Fits the stage, from its last whole epoch if there is one, with batches of `micro` and the steps of the recipe's.

    Raises KeyboardInterrupt, and whatever Lightning's loop raises, out of memory among it.
    """
    recipe = job.recipe
    L.seed_everything(job.seed, verbose=False)
    checkpoints = job.run / "checkpoints" / stage.name
    best, last = _checkpoints(checkpoints, recipe.monitor)
    watch = Stopwatch()
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
        callbacks=[*_callbacks(stage, job, network.classes), watch, best, last],
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
    worst = float("inf") if best.mode == "min" else 0.0
    return StageResult(
        stage.name,
        float(score) if score is not None else worst,
        str((checkpoints / "best.ckpt").relative_to(job.run)),
        int(found["epoch"]) + 1,
    )


def _checkpoints(folder: Path, monitor: str) -> tuple[ModelCheckpoint, ModelCheckpoint]:
    """Of the best epoch and of the last. At the end of an epoch, not of its validation: only then is it whole."""
    best = ModelCheckpoint(
        folder,
        "best",
        monitor=monitor,
        mode="min" if monitor == "val_loss" else "max",
        enable_version_counter=False,
        save_on_train_epoch_end=True,
    )
    return best, ModelCheckpoint(folder, "last", enable_version_counter=False, save_on_train_epoch_end=True)


def _callbacks(stage: Stage, job: Job, classes: int) -> list[L.Callback]:
    monitor = job.recipe.monitor
    found: list[L.Callback] = []
    if stage.patience:
        mode = "min" if monitor == "val_loss" else "max"
        found.append(EarlyStopping(monitor, mode=mode, patience=stage.patience, check_on_train_epoch_end=False))
    found += [
        MetricsTable(job.run / "metrics.csv", stage.name),
        EpochSeed(job.seed),
        CollapseWatch(chance_loss(job.folder.parts["val"], classes), stage.epochs),
        News(stage.name, job.progress, job.on_epoch),
    ]
    if stage.ema:
        found.append(EMAWeightAveraging(decay=stage.ema))
    return found


def _loggers(stage: Stage, job: Job) -> list[Any]:
    found: list[Any] = [TensorBoardLogger(job.run, name="tensorboard", version=stage.name)]
    if job.wandb:
        from lightning.pytorch.loggers import WandbLogger

        found.append(WandbLogger(name=f"{job.run.name}-{stage.name}", project="carharvest", save_dir=job.run))
    return found
