"""How good a model is on a part: scores with intervals, confusions, families, slices."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torchmetrics.functional.classification import (
    multiclass_accuracy,
    multiclass_confusion_matrix,
    multiclass_f1_score,
    multiclass_precision,
    multiclass_recall,
)

from train_adapter.calibration import calibrated, calibration_error
from train_adapter.folder import ClassFacts, Part

_RESAMPLES = 2000
_SIZES = ((0, 200, "under 200 px"), (200, 500, "200 to 499 px"), (500, 1 << 30, "500 px and more"))
_LEAST_IN_SLICE = 5


@dataclass(frozen=True, slots=True)
class Interval:
    """A value and the 95 % interval of the bootstrap over photos."""

    value: float
    low: float
    high: float


@dataclass(frozen=True, slots=True)
class ClassScore:
    """One row of the per-class report."""

    name: str
    precision: float
    recall: float
    f1: float
    photos: int


@dataclass(frozen=True, slots=True)
class Slice:
    """The accuracy on the photos of one kind."""

    by: str
    name: str
    photos: int
    accuracy: Interval


@dataclass(frozen=True, slots=True)
class Families:
    """How many errors stay inside a company group, and inside a luxury and mainstream pair, by name."""

    errors: int
    in_group: int
    in_pair: int
    by_chance: float  # errors that would stay inside a group if the wrong class were drawn from the others
    groups: Mapping[str, tuple[int, int]]  # errors on photos of the group, of them inside
    pairs: Mapping[str, tuple[int, int]]


@dataclass(frozen=True, slots=True)
class Evaluation:
    """Scores of a model on a part. `probabilities`: (n, classes), calibrated; `confusion` counts [true][predicted]."""

    part: str
    accuracy: Interval
    macro_f1: Interval
    top3: float
    loss: float
    temperature: float
    calibration_error: float
    calibration_error_before: float
    per_class: tuple[ClassScore, ...]
    confusion: list[list[int]]
    families: Families | None
    slices: tuple[Slice, ...]
    mean_iou: float | None
    files: tuple[Path, ...]
    targets: tuple[int, ...]
    probabilities: torch.Tensor


def evaluation(
    part: Part,
    classes: Sequence[str],
    class_facts: Sequence[ClassFacts],
    log_probabilities: torch.Tensor,
    temperature: float,
    ious: torch.Tensor | None = None,
) -> Evaluation:
    """The scores of (n, classes) log probabilities on a part; macro F1 is over the classes that it has photos of."""
    targets = torch.tensor(part.targets)
    count = len(classes)
    shares = calibrated(log_probabilities, temperature)
    predicted = shares.argmax(dim=1)
    scores = [
        score(predicted, targets, num_classes=count, average="none")
        for score in (multiclass_precision, multiclass_recall, multiclass_f1_score)
    ]
    support = torch.bincount(targets, minlength=count)
    right = (predicted == targets).numpy()
    top3 = multiclass_accuracy(shares, targets, num_classes=count, average="micro", top_k=min(3, count))
    return Evaluation(
        part=part.name,
        accuracy=_mean_interval(right),
        macro_f1=_f1_interval(targets.numpy(), predicted.numpy(), count),
        top3=float(top3),
        loss=float(-shares[torch.arange(len(targets)), targets].clamp(min=1e-12).log().mean()),
        temperature=temperature,
        calibration_error=calibration_error(shares, targets),
        calibration_error_before=calibration_error(calibrated(log_probabilities, 1.0), targets),
        per_class=tuple(
            ClassScore(name, float(scores[0][i]), float(scores[1][i]), float(scores[2][i]), int(support[i]))
            for i, name in enumerate(classes)
        ),
        confusion=multiclass_confusion_matrix(predicted, targets, num_classes=count).tolist(),
        families=families(classes, class_facts, targets.tolist(), predicted.tolist()),
        slices=tuple(_slices(part, right)),
        mean_iou=None if ious is None or ious.isnan().all() else float(ious.nanmean()),
        files=part.files,
        targets=part.targets,
        probabilities=shares,
    )


def families(
    classes: Sequence[str], facts: Sequence[ClassFacts], targets: Sequence[int], predicted: Sequence[int]
) -> Families | None:
    """Where errors stay among relatives; None where the split knows of no relatives."""
    if not any(fact.group or fact.pair for fact in facts):
        return None
    groups: dict[str, list[int]] = {}
    pairs: dict[str, list[int]] = {}
    errors = in_group = in_pair = 0
    by_chance = 0.0
    for true, said in zip(targets, predicted, strict=True):
        if true == said:
            continue
        errors += 1
        same_group = bool(facts[true].group) and facts[true].group == facts[said].group
        same_pair = _paired(classes, facts, true, said)
        in_group += same_group
        in_pair += same_pair
        relatives = sum(fact.group == facts[true].group for fact in facts) - 1 if facts[true].group else 0
        by_chance += relatives / (len(classes) - 1)
        if relatives:
            told = groups.setdefault(facts[true].group, [0, 0])
            told[0] += 1
            told[1] += same_group
        for other in range(len(classes)):
            if other != true and _paired(classes, facts, true, other):
                told = pairs.setdefault(" and ".join(sorted((classes[true], classes[other]))), [0, 0])
                told[0] += 1
                told[1] += said == other
    return Families(
        errors,
        in_group,
        in_pair,
        by_chance,
        {name: (told[0], told[1]) for name, told in sorted(groups.items())},
        {name: (told[0], told[1]) for name, told in sorted(pairs.items())},
    )


def family_order(classes: Sequence[str], facts: Sequence[ClassFacts]) -> list[int]:
    """Positions of the classes with those of a company group beside each other; classes of no group come last."""
    if not facts:
        return list(range(len(classes)))
    return sorted(range(len(classes)), key=lambda i: (not facts[i].group, facts[i].group, classes[i]))


def resampled(count: int, seed: int = 0) -> np.ndarray:
    """(resamples, count) positions drawn with replacement, the same each time."""
    return np.random.default_rng(seed).integers(0, count, (_RESAMPLES, count))


def _paired(classes: Sequence[str], facts: Sequence[ClassFacts], a: int, b: int) -> bool:
    return (bool(facts[a].pair) and facts[a].pair == classes[b]) or (
        bool(facts[b].pair) and facts[b].pair == classes[a]
    )


def _mean_interval(values: np.ndarray) -> Interval:
    means = values[resampled(len(values))].mean(axis=1)
    low, high = np.percentile(means, [2.5, 97.5])
    return Interval(float(values.mean()), float(low), float(high))


def _f1_interval(targets: np.ndarray, predicted: np.ndarray, classes: int) -> Interval:
    def macro_f1(positions: np.ndarray) -> float:
        true, said = targets[positions], predicted[positions]
        hits = np.bincount(true[true == said], minlength=classes)
        both = np.bincount(true, minlength=classes) + np.bincount(said, minlength=classes)
        present = np.bincount(true, minlength=classes) > 0
        return float((2 * hits[present] / both[present]).mean())

    low, high = np.percentile([macro_f1(row) for row in resampled(len(targets))], [2.5, 97.5])
    return Interval(macro_f1(np.arange(len(targets))), float(low), float(high))


def _slices(part: Part, right: np.ndarray) -> list[Slice]:
    """By view, source and size, where the split says them and there is more than one kind of at least five photos."""
    kinds: dict[str, list[str]] = {"view": [], "source": [], "shorter side": []}
    for position in range(len(part)):
        facts = part.facts_of(position)
        side = min(facts.width_px, facts.height_px)
        kinds["view"].append(facts.view)
        kinds["source"].append(facts.source)
        kinds["shorter side"].append(next(name for low, high, name in _SIZES if low <= side < high) if side else "")
    found = []
    for by, names in kinds.items():
        of_kind = {name: np.array([n == name for n in names]) for name in sorted(set(names))}
        big = {name: which for name, which in of_kind.items() if name and which.sum() >= _LEAST_IN_SLICE}
        if len(big) > 1:
            found += [Slice(by, name, int(w.sum()), _mean_interval(right[w])) for name, w in big.items()]
    return found
