"""Checks before training: what is wrong shows in seconds, not after a night."""

import copy
import math
from collections import defaultdict
from collections.abc import Mapping

import lightning as L
import torch
from torch.nn import functional as F

from train_adapter.augment import Changes, middle
from train_adapter.bodies import normalisation
from train_adapter.errors import Leak, TrainingError
from train_adapter.fit import quiet
from train_adapter.folder import Folder, Part, mirrored_classes
from train_adapter.leaks import Check, same_files, same_pictures
from train_adapter.loading import EpochSampler, PictureData, loader
from train_adapter.losses import ClassLoss, LossWeights, training_loss
from train_adapter.module import StageModule
from train_adapter.network import Network
from train_adapter.pictures import Pictures
from train_adapter.recipe import Augment, Optimizer, Recipe, Schedule, Stage

_NEAR_CHANCE = 0.15  # the initial loss may be that share off ln(classes)
_FEW = 20
_AT_ONCE = 4
_MOST_STEPS = 200


def cheap_checks(
    network: Network, recipe: Recipe, folder: Folder, pictures: Mapping[str, Pictures], *, despite_leaks: bool
) -> list[Check]:
    """Labels, normalisation, initial loss, files that stand in two parts.

    Raises Leak for those unless it shall train despite them; TrainingError where the recipe needs what the data lacks.
    """
    leak = same_files(folder)
    if not leak.ok and not despite_leaks:
        raise Leak(
            f"the parts of {folder.root} share photos: {leak.told}",
            hint="make a clean copy with: carharvest split fix (or train despite it: --despite-leaks)",
        )
    if recipe.boxes and not any(fact.box for fact in folder.parts["train"].facts):
        raise TrainingError(
            f"{folder.root} has no boxes, and the recipe {recipe.name} learns them",
            hint="import a data set with boxes (carharvest import stanford-cars …), or use a recipe without",
        )
    return [_labels(folder), _normalised_as_pretrained(network, recipe), _initial_loss(network, recipe, pictures), leak]


def thorough_checks(
    network: Network, recipe: Recipe, folder: Folder, pictures: Mapping[str, Pictures], seed: int
) -> list[Check]:
    """What takes a minute: near copies between the parts, a batch that must be learned by heart, regularisation."""
    quiet()
    learned, by_heart = _by_heart(network, recipe, pictures["train"], seed)
    return [
        same_pictures(folder, pictures),
        by_heart,
        _regularisation(learned, recipe, folder, pictures["train"], seed),
    ]


def _labels(folder: Folder) -> Check:
    """That they agree was asked when the folder was read."""
    named = "labels.txt and the folders agree on" if (folder.root / "labels.txt").exists() else "the folders name"
    return Check("labels", True, f"{named} {len(folder.classes)} classes")


def _normalised_as_pretrained(network: Network, recipe: Recipe) -> Check:
    mean, std = normalisation(network.body)
    ok = bool(
        torch.allclose(network.mean.flatten().cpu(), torch.tensor(mean))
        and torch.allclose(network.std.flatten().cpu(), torch.tensor(std))
    )
    return Check("normalisation", ok, f"mean {_short(mean)}, std {_short(std)}, as {recipe.body} was pretrained")


@torch.no_grad()
def _initial_loss(network: Network, recipe: Recipe, pictures: Mapping[str, Pictures]) -> Check:
    network.eval()
    batch, targets = _batch(pictures["train"], _spread(pictures["train"].part, _FEW), recipe)
    logits = torch.cat([network(few.to(network.mean.device)).float().cpu() for few in torch.split(batch, _AT_ONCE)])
    loss = float(F.cross_entropy(logits, targets))
    chance = math.log(network.classes)
    ok = abs(loss - chance) <= _NEAR_CHANCE * chance
    return Check("initial loss", ok, f"{loss:.3f}, where ln({network.classes}) is {chance:.3f}")


def _by_heart(network: Network, recipe: Recipe, train: Pictures, seed: int) -> tuple[Network, Check]:
    """A copy of the network that was taught 20 photos without anything that makes it harder."""
    few = _spread(train.part, _FEW)
    part = Part("train", tuple(train.part.files[n] for n in few), tuple(train.part.targets[n] for n in few))
    chosen = Pictures(part, train.px, train.fit, None)
    copied = copy.deepcopy(network).cpu()
    last = recipe.stages[-1]
    stage = Stage(
        name="by-heart",
        trains=last.trains,
        epochs=_MOST_STEPS,
        batchnorm="eval" if recipe.weights != "scratch" else "train",
        optimizer=Optimizer(lr=1e-3, weight_decay=0),
        schedule=Schedule(),
    )
    plain = recipe.model_copy(update={"augment": Augment(), "boxes": False})
    module = StageModule(copied, plain, stage, ClassLoss(LossWeights(0.0, 0.0), None, None))
    for layer in copied.head:
        if isinstance(layer, torch.nn.Dropout):
            layer.p = 0.0
    known = _KnowsAll()
    trainer = L.Trainer(
        accelerator="cpu",
        max_epochs=_MOST_STEPS,
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        callbacks=[known],
        log_every_n_steps=1,
    )
    data = PictureData(chosen, recipe.image, None, seed, boxes=False)
    module.train()
    trainer.fit(module, loader(data, EpochSampler(len(few), seed, shuffle=True), len(few), 0))
    told = f"{known.best:.0%} of {len(few)} photos after {known.epochs} steps"
    return copied, Check("learned by heart", known.best == 1.0, told)


@torch.no_grad()
def _regularisation(learned: Network, recipe: Recipe, folder: Folder, train: Pictures, seed: int) -> Check:
    """On photos it knows by heart, the loss of training (smoothed, dropped out, changed) must be the higher one."""
    few = _spread(train.part, _FEW)
    batch, targets = _batch(train, few, recipe)
    learned.eval()
    plain = float(F.cross_entropy(learned(batch), targets))
    hard = recipe.augment.mixup or recipe.augment.cutmix or recipe.augment != Augment() or recipe.loss.label_smoothing
    if not (hard or recipe.head.dropout or recipe.head.hidden_dropout):
        return Check("regularisation", True, "the recipe has none but weight decay, which is not part of the loss")
    changes = Changes(recipe.augment, recipe.image, mirrored_classes(folder.classes))
    torch.manual_seed(seed)
    changed = [changes(train[n], train.part.targets[n], None) for n in few]
    layers = [layer for layer in learned.head if isinstance(layer, torch.nn.Dropout)]
    for layer, p in zip(layers, (recipe.head.dropout, recipe.head.hidden_dropout), strict=False):
        layer.p = p
        layer.train()
    loss = training_loss(recipe.model_copy(update={"imbalance": ("none",)}), folder)
    mixed = torch.stack([picture for picture, _, _ in changed]).float() / 255
    raised = float(loss(learned(mixed), torch.tensor([target for _, target, _ in changed])))
    return Check("regularisation", raised > plain, f"raises the loss of known photos from {plain:.3f} to {raised:.3f}")


class _KnowsAll(L.Callback):
    """Ends the fit when every photo of the batch is right."""

    def __init__(self) -> None:
        self.best = 0.0
        self.epochs = 0

    def on_train_epoch_end(self, trainer: L.Trainer, _module: L.LightningModule) -> None:
        self.best = max(self.best, float(trainer.callback_metrics["train_accuracy"]))
        self.epochs = trainer.current_epoch + 1
        trainer.should_stop = self.best == 1.0


def _spread(part: Part, count: int) -> list[int]:
    """Positions of up to `count` photos, class by class in turn."""
    by_class: dict[int, list[int]] = defaultdict(list)
    for position, target in enumerate(part.targets):
        by_class[target].append(position)
    ranked = sorted((order, target, n) for target, found in by_class.items() for order, n in enumerate(found))
    return [n for _, _, n in ranked[:count]]


def _batch(pictures: Pictures, positions: list[int], recipe: Recipe) -> tuple[torch.Tensor, torch.Tensor]:
    found = torch.stack([middle(pictures[n], recipe.image, None)[0] for n in positions])
    return found.float() / 255, torch.tensor([pictures.part.targets[n] for n in positions])


def _short(values: tuple[float, ...]) -> str:
    return " ".join(f"{value:g}" for value in values)
