"""What a fit is given, and how each of its stages ended."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from train_adapter.callbacks import OnEpoch
from train_adapter.device import Device
from train_adapter.folder import Folder
from train_adapter.loading import ActivationData, PictureData
from train_adapter.pictures import Pictures
from train_adapter.progress import Progress, silent
from train_adapter.recipe import Recipe

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
