"""What Lightning trains: one stage of a recipe on a network."""

from collections.abc import Iterator, Sequence
from typing import Any

import lightning as L
import torch
from timm.optim import create_optimizer_v2
from torch import nn
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_accuracy
from torchvision.transforms import v2

from train_adapter.bodies import blocks_from_top
from train_adapter.errors import TrainingError
from train_adapter.loading import Batch
from train_adapter.losses import ClassLoss, box_iou, box_loss
from train_adapter.network import Network
from train_adapter.recipe import Recipe, Stage

_BATCHNORMS = (nn.BatchNorm2d, nn.SyncBatchNorm)


class StageModule(L.LightningModule):
    """Losses, rates and what moves, as a stage says."""

    def __init__(self, network: Network, recipe: Recipe, stage: Stage, loss: ClassLoss) -> None:
        super().__init__()
        self.network = network
        self.recipe = recipe
        self.stage = stage
        self.loss = loss
        self._blocks = blocks_from_top(network.body)
        count = len(self._blocks) if stage.trains == "all" else 0 if stage.trains == "head" else stage.trains
        if count > len(self._blocks):
            raise TrainingError(
                f"stage {stage.name} trains {count} blocks; the body has {len(self._blocks)}", hint="name fewer, or all"
            )
        self._moving_blocks = count
        self._set_moving()
        self._mixes = list(_mixes(recipe, network.classes))
        self._predicted = torch.zeros(network.classes, dtype=torch.long)

    def forward(self, inputs: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor | None]:
        """Logits, and boxes where the recipe wants them."""
        if self.stage.sees == "pictures":
            pictures = inputs if inputs.is_floating_point() else inputs.float() / 255
            return self.network.both(pictures) if self.recipe.boxes else (self.network(pictures), None)
        found = inputs if self.stage.trains == "head" else self.network.tail(inputs)
        return self.network.head(found), None

    def train(self, mode: bool = True) -> "StageModule":
        """What is frozen behaves as when it is used, and so does BatchNorm where the stage keeps its statistics."""
        super().train(mode)
        if mode:
            moving = {id(parameter) for parameter in self._body_parameters()}
            for layer in self.network.body.modules():
                own = [id(p) for p in layer.parameters()]
                kept = self.stage.batchnorm == "eval" and isinstance(layer, _BATCHNORMS)
                if kept or not moving & set(own):
                    layer.training = False
        return self

    def on_train_epoch_start(self) -> None:
        self._set_moving()
        self.train()

    def on_after_batch_transfer(self, batch: Batch, dataloader_idx: int) -> Batch:
        if not (self.trainer.training and self._mixes and self.stage.sees == "pictures"):
            return batch
        mix = self._mixes[int(torch.randint(len(self._mixes), ()))]
        pictures, shares = mix(batch.inputs.float() / 255, batch.targets)
        return Batch(pictures, shares, batch.boxes)

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        logits, boxes = self(batch.inputs)
        loss: torch.Tensor = self.loss(logits, batch.targets)
        if boxes is not None:
            loss = loss + self.recipe.loss.box_weight * box_loss(boxes, batch.boxes)
        targets = batch.targets if batch.targets.ndim == 1 else batch.targets.argmax(dim=1)
        accuracy = multiclass_accuracy(logits, targets, num_classes=self.network.classes, average="micro")
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
        self.log("train_accuracy", accuracy, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def on_validation_epoch_start(self) -> None:
        self._predicted = torch.zeros(self.network.classes, dtype=torch.long)

    def validation_step(self, batch: Batch, _index: int) -> None:
        logits, boxes = self(batch.inputs)
        accuracy = multiclass_accuracy(logits, batch.targets, num_classes=self.network.classes, average="micro")
        self._predicted += torch.bincount(logits.argmax(dim=1), minlength=self.network.classes).cpu()
        self.log("val_loss", F.cross_entropy(logits.float(), batch.targets), batch_size=len(batch.targets))
        self.log("val_accuracy", accuracy, batch_size=len(batch.targets))
        if boxes is not None:
            known = ~batch.boxes.isnan().any(dim=1)
            if known.any():
                self.log("val_iou", box_iou(boxes[known], batch.boxes[known]).mean(), batch_size=int(known.sum()))

    def on_validation_epoch_end(self) -> None:
        self.log("val_top_share", self._predicted.max() / self._predicted.sum().clamp(min=1))

    def configure_optimizers(self) -> Any:
        plan = self.stage.optimizer
        groups = list(_groups(self._parameters_by_depth(), plan.lr, plan.layer_decay, plan.weight_decay))
        try:
            optimizer = create_optimizer_v2(groups, opt=plan.name, lr=plan.lr, weight_decay=plan.weight_decay)
        except (ValueError, AssertionError) as error:
            raise TrainingError(f"timm has no optimizer {plan.name!r}: {error}", hint="adamw, sgd, lamb, …") from None
        return _with_schedule(optimizer, self.stage, int(self.trainer.estimated_stepping_batches))

    def _set_moving(self) -> None:
        for parameter in self.network.parameters():
            parameter.requires_grad = False
        for parameter in self._body_parameters():
            parameter.requires_grad = True
        for parameter in self._head_parameters():
            parameter.requires_grad = True

    def _body_parameters(self) -> list[nn.Parameter]:
        """Of the body, what moves in this epoch."""
        frozen = self.stage.frozen_epochs and self._epoch() < self.stage.frozen_epochs
        return [] if frozen else [p for depth in self._parameters_by_depth()[1:] for p in depth]

    def _head_parameters(self) -> list[nn.Parameter]:
        boxes = [] if self.network.box_head is None else list(self.network.box_head.parameters())
        return [*self.network.head.parameters(), *boxes]

    def _parameters_by_depth(self) -> list[list[nn.Parameter]]:
        """What the stage moves: the heads, then block by block from the top."""
        kept: set[int] = set()
        if self.stage.batchnorm == "eval":
            layers = [layer for layer in self.network.body.modules() if isinstance(layer, _BATCHNORMS)]
            kept = {id(p) for layer in layers for p in layer.parameters()}
        blocks = self._blocks[: self._moving_blocks]
        return [self._head_parameters(), *([p for p in block if id(p) not in kept] for block in blocks)]

    def _epoch(self) -> int:
        return self.current_epoch if self._trainer is not None else 0


def _mixes(recipe: Recipe, classes: int) -> Iterator[Any]:
    if recipe.augment.mixup:
        yield v2.MixUp(alpha=recipe.augment.mixup, num_classes=classes)
    if recipe.augment.cutmix:
        yield v2.CutMix(alpha=recipe.augment.cutmix, num_classes=classes)


def _groups(
    by_depth: Sequence[Sequence[nn.Parameter]], lr: float, decay: float, weight_decay: float
) -> Iterator[dict[str, Any]]:
    """Groups of the optimizer: a rate for each depth; vectors (biases, norms) are not pulled towards zero."""
    for depth, parameters in enumerate(by_depth):
        for pulled in (True, False):
            chosen = [p for p in parameters if (p.ndim > 1) == pulled]
            if chosen:
                yield {
                    "params": chosen,
                    "lr": lr * decay**depth,
                    "weight_decay": weight_decay if pulled else 0.0,
                }


def _with_schedule(optimizer: torch.optim.Optimizer, stage: Stage, steps: int) -> Any:
    plan = stage.schedule
    if plan.name == "cosine":
        period = plan.t_max or stage.epochs
        cosine = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=period, eta_min=plan.min_lr)
        return {"optimizer": optimizer, "lr_scheduler": cosine}
    if plan.name == "plateau":
        plateau = torch.optim.lr_scheduler.ReduceLROnPlateau(
            optimizer, factor=plan.factor, patience=plan.patience, min_lr=plan.min_lr
        )
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": plateau, "monitor": "val_loss"}}
    if plan.name == "onecycle":
        peaks = [group["lr"] for group in optimizer.param_groups]
        cycle = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=peaks, total_steps=steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": cycle, "interval": "step"}}
    return optimizer
