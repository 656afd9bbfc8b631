"""Training that learns nothing, by name: every photo gets the same class, and the loss stays where chance has it."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import lightning as L
import torch

from train_adapter.augment import middle
from train_adapter.folder import Folder, Part
from train_adapter.network import Network
from train_adapter.pictures import Pictures
from train_adapter.recipe import Recipe

_ALL = 0.99  # share of the photos that get one and the same class
_STUCK = 0.97  # of the loss that the shares of the classes alone would give
_LEAST_EPOCHS = 5
_SHARE_OF_STAGE = 0.2
_SAME = 1e-3  # features of different photos that differ by less than that share of their size
_ASKED = 16


@dataclass(frozen=True, slots=True)
class Collapse:
    """What was seen, why it is likely so, and what to try."""

    seen: str
    cause: str
    advice: str

    def __str__(self) -> str:
        return f"{self.seen}; {self.cause}"


def chance_loss(part: Part, classes: int) -> float:
    """The cross-entropy of saying nothing but how frequent each class is; ln(classes) where all are alike."""
    counts = torch.bincount(torch.tensor(part.targets), minlength=classes).double()
    shares = counts[counts > 0] / counts.sum()
    return float(-(shares * shares.log()).sum())


class CollapseWatch(L.Callback):
    """Ends a stage that has collapsed for a fifth of its epochs, at least five in a row, or whose loss is no number."""

    def __init__(self, chance: float, epochs: int) -> None:
        self._chance = chance
        self._limit = max(_LEAST_EPOCHS, math.ceil(_SHARE_OF_STAGE * epochs))
        self._row = 0

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        seen = trainer.callback_metrics
        loss = float(seen["val_loss"])
        stuck = float(seen["val_top_share"]) >= _ALL and loss >= _STUCK * self._chance
        self._row = self._row + 1 if stuck else 0
        if self._row >= self._limit or not math.isfinite(loss):
            trainer.should_stop = True

    def state_dict(self) -> dict[str, int]:
        return {"row": self._row}

    def load_state_dict(self, state_dict: dict[str, int]) -> None:
        self._row = state_dict["row"]


def collapse_of(
    network: Network,
    recipe: Recipe,
    folder: Folder,
    val: Pictures,
    probabilities: torch.Tensor,
    metrics: Sequence[dict[str, str]],
) -> Collapse | None:
    """Whether a trained network has collapsed, by what it says of the val photos."""
    predicted = torch.bincount(probabilities.argmax(dim=1), minlength=network.classes)
    targets = torch.tensor(val.part.targets)
    loss = float(-probabilities[torch.arange(len(targets)), targets].clamp(min=1e-12).log().mean())
    chance = chance_loss(val.part, network.classes)
    if int(predicted.max()) < _ALL * len(targets) or loss < _STUCK * chance:
        return None
    name = folder.classes[int(predicted.argmax())]
    seen = f"every photo is taken for {name}, and the loss is {loss:.2f} where chance has {chance:.2f}"
    cause, advice = _cause(network, recipe, val, metrics)
    return Collapse(seen, cause, advice)


def _cause(network: Network, recipe: Recipe, val: Pictures, metrics: Sequence[dict[str, str]]) -> tuple[str, str]:
    if not all(bool(parameter.isfinite().all()) for parameter in network.parameters()):
        return (
            "its weights are no longer numbers: the steps were too large",
            "use a lower rate (--set stages.*.optimizer.lr=…), or limit the gradients (--set optimizer.clip=1)",
        )
    learned = max((float(row["train_accuracy"]) for row in metrics if row.get("train_accuracy")), default=0.0)
    last = recipe.stages[-1]
    halfway = (1 + 1 / network.classes) / 2  # between chance and all of them
    if learned > halfway and last.batchnorm == "train":
        return (
            f"in training it was right for {learned:.0%}: the statistics of BatchNorm do not hold outside its batches",
            "keep them as pretrained (--set batchnorm=eval), or use larger batches",
        )
    if _features_are_the_same(network, recipe, val):
        return (
            "the body gives every photo the same features: its ReLUs are dead or its signal fades",
            "use a lower rate (--set stages.*.optimizer.lr=…), BatchNorm (scratch-small-bn), or a pretrained body",
        )
    return (
        "the features differ, but the head has not learned to use them",
        "train for longer, at another rate (carharvest tune), with more photos, or from a pretrained body",
    )


@torch.no_grad()
def _features_are_the_same(network: Network, recipe: Recipe, val: Pictures) -> bool:
    network.eval()
    step = max(1, len(val) // _ASKED)
    batch = torch.stack([middle(val[n], recipe.image, None)[0] for n in range(0, len(val), step)])
    features = network.body(network.normalised(batch.to(network.mean.device).float() / 255)).float()
    return bool(features.std(dim=0).mean() <= _SAME * features.abs().mean().clamp(min=1e-6))
