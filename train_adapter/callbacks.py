"""What happens beside the training loop: the table of metrics, the random state, the news."""

import csv
from pathlib import Path
from typing import Any

import lightning as L
import torch

from train_adapter.activations import Progress

_COLUMNS = ["stage", "epoch", "train_loss", "val_loss", "val_accuracy", "head_lr"]


class MetricsTable(L.Callback):
    """Appends a row an epoch to metrics.csv; after a resume the epochs that are run again are replaced."""

    def __init__(self, file: Path, stage: str) -> None:
        self._file = file
        self._stage = stage

    def on_train_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        rows = read_metrics(self._file)
        rows = [r for r in rows if r["stage"] != self._stage or int(r["epoch"]) < trainer.current_epoch]
        with self._file.open("w", newline="", encoding="utf-8") as file:
            writer = csv.DictWriter(file, _COLUMNS)
            writer.writeheader()
            writer.writerows(rows)

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        seen = trainer.callback_metrics
        with self._file.open("a", newline="", encoding="utf-8") as file:
            csv.DictWriter(file, _COLUMNS).writerow(
                {
                    "stage": self._stage,
                    "epoch": trainer.current_epoch,
                    **{name: f"{float(seen[name]):.6f}" for name in ("train_loss", "val_loss", "val_accuracy")},
                    "head_lr": f"{trainer.optimizers[0].param_groups[0]['lr']:.8f}",
                }
            )


class EpochSeed(L.Callback):
    """Seeds each epoch by its number: a resumed run draws what an unbroken one would, with no state to keep."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_batch_start(self, trainer: L.Trainer, _module: L.LightningModule, _batch: Any, batch_idx: int) -> None:
        if batch_idx == 0:
            torch.manual_seed(self._seed + 1_000_003 * (trainer.current_epoch + 1))


class News(L.Callback):
    """Tells the progress of a stage, an epoch at a time."""

    def __init__(self, stage: str, progress: Progress) -> None:
        self._stage = stage
        self._progress = progress

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        accuracy = float(trainer.callback_metrics["val_accuracy"])
        text = f"training {self._stage}, val accuracy {accuracy:.3f}"
        self._progress(text, trainer.current_epoch + 1, trainer.max_epochs or 0)


def read_metrics(file: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, or none."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))
