"""A trained model from its run, and what it says of photos."""

from dataclasses import dataclass
from pathlib import Path

import torch
import yaml
from safetensors.torch import load_file

from train_adapter.activations import Progress
from train_adapter.body import CarClassifier
from train_adapter.errors import TrainingError
from train_adapter.evaluate import probabilities


@dataclass(frozen=True, slots=True)
class Prediction:
    """The classes of a photo by falling probability."""

    file: Path
    ranking: tuple[tuple[str, float], ...]


@dataclass(frozen=True, slots=True)
class TrainedModel:
    """A classifier ready to predict, with the names of its classes."""

    model: CarClassifier
    classes: tuple[str, ...]
    px: int

    def predict(self, files: tuple[Path, ...], progress: Progress = lambda what, done, total: None) -> list[Prediction]:
        """One prediction a photo. Raises OSError for a file that is no picture."""
        found = probabilities(self.model, files, self.px, progress, "predicting")
        predictions = []
        for file, row in zip(files, found, strict=True):
            order = torch.argsort(row, descending=True, stable=True).tolist()
            predictions.append(Prediction(file, tuple((self.classes[i], float(row[i])) for i in order)))
        return predictions


def load_trained(where: Path) -> TrainedModel:
    """The model of a run (its folder, or the model.safetensors in it). Raises TrainingError."""
    run = where if where.is_dir() else where.parent
    weights = run / "model.safetensors" if where.is_dir() else where
    missing = [file.name for file in (weights, run / "run.yaml", run / "labels.txt") if not file.is_file()]
    if missing:
        raise TrainingError(
            f"{where} is no trained model: {', '.join(missing)} is missing", hint="name the folder of a finished run"
        )
    settings = yaml.safe_load((run / "run.yaml").read_text(encoding="utf-8"))
    classes = tuple((run / "labels.txt").read_text(encoding="utf-8").split("\n")[:-1])
    recipe = settings["recipe"]
    model = CarClassifier(recipe["body"], len(classes), recipe["dropout"])
    try:
        model.load_state_dict(load_file(weights))
    except (RuntimeError, OSError, ValueError) as error:
        raise TrainingError(f"{weights} does not fit its run.yaml: {error}", hint="was it copied whole?") from None
    return TrainedModel(model, classes, recipe["image_px"])
