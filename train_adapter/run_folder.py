"""The files of a run that say how it was made, and which runs are unfinished."""

import os
import platform
from dataclasses import dataclass
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

import torch
import yaml

from train_adapter.errors import TrainingError
from train_adapter.recipe import Recipe, parse_recipe


@dataclass(frozen=True, slots=True)
class Settings:
    """What a run was begun with."""

    data: Path
    seed: int
    recipe: Recipe


def write_settings(run: Path, settings: Settings, device: str) -> None:
    """run.yaml, enough to do it again; environment.txt, every package with its version."""
    told = {
        "data": str(settings.data.absolute()),
        "seed": settings.seed,
        "recipe": settings.recipe.model_dump(mode="json"),
        "environment": {
            "python": platform.python_version(),
            "machine": platform.machine(),
            "system": platform.system(),
            "cores": os.cpu_count(),
            "threads": torch.get_num_threads(),
            "device": torch.cuda.get_device_name() if device == "cuda" else device,
        },
    }
    (run / "run.yaml").write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    versions = sorted({f"{d.name}=={d.version}" for d in distributions() if d.name}, key=str.lower)
    (run / "environment.txt").write_text("".join(f"{line}\n" for line in versions), encoding="utf-8")


def read_settings(run: Path) -> Settings:
    """What run.yaml says. Raises TrainingError."""
    file = run / "run.yaml"
    if not file.exists():
        raise TrainingError(f"there is no run to go on with in {run}", hint="start one without --resume")
    try:
        said: dict[str, Any] = yaml.safe_load(file.read_text(encoding="utf-8"))
        recipe = parse_recipe(yaml.safe_dump(said["recipe"]), str(file))
        return Settings(Path(str(said["data"])), int(said["seed"]), recipe)
    except (yaml.YAMLError, KeyError, TypeError, ValueError) as error:
        raise TrainingError(f"{file} makes no sense: {error}", hint="was it copied whole?") from None


def unfinished_runs(runs: Path) -> list[Path]:
    """Runs that began and have no result, the newest last."""
    begun = [file.parent for file in runs.glob("*/run.yaml") if not (file.parent / "result.json").exists()]
    return sorted(begun, key=lambda run: (run / "run.yaml").stat().st_mtime_ns)


def seconds_so_far(run: Path) -> float:
    file = run / "seconds.txt"
    return float(file.read_text(encoding="utf-8")) if file.exists() else 0.0
