"""How good a model is: accuracy, F1, confusion, and each test photo with what the model says of it."""

from dataclasses import dataclass
from pathlib import Path

import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from train_adapter.activations import Progress
from train_adapter.body import CarClassifier
from train_adapter.folder import Part, normalised, pixels

_BATCH = 8


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One row of the per-class report."""

    name: str
    precision: float
    recall: float
    f1: float
    photos: int


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on one part. `probabilities` is (n, classes); `confusion` counts [true][predicted]."""

    accuracy: float
    macro_f1: float
    per_class: tuple[ClassScore, ...]
    confusion: list[list[int]]
    files: tuple[Path, ...]
    targets: tuple[int, ...]
    probabilities: torch.Tensor


@torch.no_grad()
def probabilities(
    model: CarClassifier, files: tuple[Path, ...], px: int, progress: Progress, what: str
) -> torch.Tensor:
    """(n, classes) softmax of the model for photos."""
    model.eval()
    found = []
    for start in range(0, len(files), _BATCH):
        batch = torch.stack([pixels(file, px) for file in files[start : start + _BATCH]])
        batch = normalised(batch, model.mean, model.std).contiguous(memory_format=torch.channels_last)
        found.append(model(batch).softmax(dim=1))
        progress(what, min(start + _BATCH, len(files)), len(files))
    return torch.cat(found)


def evaluate(model: CarClassifier, part: Part, classes: tuple[str, ...], px: int, progress: Progress) -> Evaluation:
    """The scores on a part; macro F1 is over the classes that the part has photos of."""
    predicted = probabilities(model, part.files, px, progress, f"testing on {part.name} photos")
    targets = torch.tensor(part.targets)
    count = len(classes)
    scores = [
        score(predicted, targets, num_classes=count, average="none")
        for score in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    ]
    support = torch.bincount(targets, minlength=count)
    present = support > 0
    return Evaluation(
        accuracy=float(multiclass_accuracy(predicted, targets, num_classes=count, average="micro")),
        macro_f1=float(scores[2][present].mean()),
        per_class=tuple(
            ClassScore(name, float(scores[0][i]), float(scores[1][i]), float(scores[2][i]), int(support[i]))
            for i, name in enumerate(classes)
        ),
        confusion=multiclass_confusion_matrix(predicted, targets, num_classes=count).tolist(),
        files=part.files,
        targets=part.targets,
        probabilities=predicted,
    )
