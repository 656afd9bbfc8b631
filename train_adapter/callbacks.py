"""What happens beside the training loop: the table of metrics, the random state, the news, the speed."""

import csv
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lightning as L
import torch

from train_adapter.progress import Progress

_MEASURED = ["train_loss", "train_accuracy", "val_loss", "val_accuracy", "val_iou", "val_top_share"]
_COLUMNS = ["stage", "epoch", *_MEASURED, "lr"]

OnEpoch = Callable[[dict[str, float]], None]  # what was measured in the epoch that ends


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
                    **{name: f"{float(seen[name]):.6f}" for name in _MEASURED if name in seen},
                    "lr": f"{trainer.optimizers[0].param_groups[0]['lr']:.8f}",
                }
            )


class EpochSeed(L.Callback):
    """Seeds each epoch by its number: a resumed run draws what an unbroken one would, with no state to keep."""

    def __init__(self, seed: int) -> None:
        self._seed = seed

    def on_train_epoch_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        torch.manual_seed(self._seed + 1_000_003 * (trainer.current_epoch + 1))


class News(L.Callback):
    """Tells the progress of a stage, an epoch at a time, and what was measured to whoever wants to know."""

    def __init__(self, stage: str, progress: Progress, on_epoch: OnEpoch | None) -> None:
        self._stage = stage
        self._progress = progress
        self._on_epoch = on_epoch

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        accuracy = float(trainer.callback_metrics["val_accuracy"])
        text = f"training {self._stage}, val accuracy {accuracy:.3f}"
        self._progress(text, trainer.current_epoch + 1, trainer.max_epochs or 0)
        if self._on_epoch is not None:
            self._on_epoch({name: float(value) for name, value in trainer.callback_metrics.items()})


class Stopwatch(L.Callback):
    """How many photos a second an epoch trains on, and the share of its time that it waits for them."""

    def __init__(self) -> None:
        self.photos = 0
        self.seconds = 0.0
        self.waited = 0.0
        self.epochs: list[float] = []
        self._since = 0.0
        self._began = 0.0

    def on_train_epoch_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        self._began = self._since = time.perf_counter()

    def on_train_batch_start(self, trainer: L.Trainer, _module: L.LightningModule, _batch: Any, batch_idx: int) -> None:
        self.waited += time.perf_counter() - self._since

    def on_train_batch_end(
        self, trainer: L.Trainer, _module: L.LightningModule, _outputs: Any, batch: Any, batch_idx: int
    ) -> None:
        self.photos += len(batch.targets)
        if torch.cuda.is_available():
            torch.cuda.synchronize()  # or the wait for the device would be counted as one for photos
        self._since = time.perf_counter()

    def on_validation_start(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        if self._began:
            spent = time.perf_counter() - self._began
            self.seconds += spent
            self.epochs.append(spent)
            self._began = 0.0

    def told(self) -> dict[str, float]:
        """Photos a second, the share of time that was waiting, and the median seconds of an epoch, without val."""
        if not self.seconds:
            return {}
        return {
            "photos_per_s": round(self.photos / self.seconds, 1),
            "waiting_share": round(self.waited / self.seconds, 4),
            "epoch_s": round(sorted(self.epochs)[len(self.epochs) // 2], 3),
        }


def read_metrics(file: Path) -> list[dict[str, str]]:
    """The rows of metrics.csv, or none."""
    if not file.exists():
        return []
    with file.open(newline="", encoding="utf-8") as opened:
        return list(csv.DictReader(opened))
