"""A trained model from its run, and what it says of photos."""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from safetensors import SafetensorError
from safetensors.torch import load_file

from train_adapter.ask import Asked, of_files
from train_adapter.calibration import calibrated
from train_adapter.device import pick_device
from train_adapter.errors import TrainingError
from train_adapter.network import Network, build_network
from train_adapter.onnx_model import OnnxNetwork, load_onnx
from train_adapter.progress import Progress, silent
from train_adapter.recipe import Recipe
from train_adapter.run_folder import Settings, read_settings


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of a photo by falling probability."""

    file: Path
    ranking: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class Trained:
    """A model with what it needs to be used. `classes` are the lines of labels.txt, the only place that knows them."""

    run: Path
    network: Network
    recipe: Recipe
    classes: tuple[str, ...]
    temperature: float
    data: Path
    seed: int

    def predict(self, files: Sequence[Path], progress: Progress = silent) -> list[Prediction]:
        """One prediction a photo. Raises OSError for a file that is no picture."""
        return _ranked(
            files, self.classes, of_files(Asked(self.network, self.recipe, self.classes), files, progress), self
        )


@dataclass(frozen=True, slots=True)
class TrainedOnnx:
    """The same from an ONNX file of a run."""

    network: OnnxNetwork
    recipe: Recipe
    classes: tuple[str, ...]
    temperature: float

    def predict(self, files: Sequence[Path], progress: Progress = silent) -> list[Prediction]:
        return _ranked(files, self.classes, self.network.of_files(files, self.recipe.image, progress), self)


def load_trained(where: Path, device: str = "auto") -> Trained:
    """The model of a run (its folder, or the model.safetensors in it). Raises TrainingError."""
    run = where if where.is_dir() else where.parent
    weights = run / "model.safetensors" if where.is_dir() else where
    settings, classes, temperature = _described(run, weights, where)
    recipe = settings.recipe
    network = build_network(recipe, len(classes))
    try:
        network.load_state_dict(load_file(weights))
    except (RuntimeError, OSError, ValueError, SafetensorError) as error:
        raise TrainingError(f"{weights} does not fit its run.yaml: {error}", hint="was it copied whole?") from None
    network.eval().to(pick_device(device).torch)
    return Trained(run, network, recipe, classes, temperature, settings.data, settings.seed)


def load_for_prediction(where: Path, device: str = "auto") -> Trained | TrainedOnnx:
    """A run, its model.safetensors, or an .onnx file that was exported into it. Raises TrainingError."""
    if where.suffix != ".onnx":
        return load_trained(where, device)
    settings, classes, temperature = _described(where.parent, where, where)
    return TrainedOnnx(load_onnx(where, len(classes)), settings.recipe, classes, temperature)


def _described(run: Path, weights: Path, where: Path) -> tuple[Settings, tuple[str, ...], float]:
    missing = [file.name for file in (weights, run / "run.yaml", run / "labels.txt") if not file.is_file()]
    if missing:
        raise TrainingError(
            f"{where} is no trained model: {', '.join(missing)} is missing", hint="name the folder of a finished run"
        )
    classes = tuple((run / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1])
    result = run / "result.json"
    known = json.loads(result.read_text(encoding="utf-8")) if result.is_file() else {}
    return read_settings(run), classes, float(known.get("temperature", 1.0))


def _ranked(
    files: Sequence[Path], classes: Sequence[str], log_probabilities: torch.Tensor, model: Trained | TrainedOnnx
) -> list[Prediction]:
    found = calibrated(log_probabilities, model.temperature)
    predictions = []
    for file, row in zip(files, found, strict=True):
        order = torch.argsort(row, descending=True, stable=True).tolist()
        predictions.append(Prediction(file, tuple((classes[i], float(row[i])) for i in order)))
    return predictions
