"""What Lightning trains: a head on features, or the last block and the head on activations."""

from typing import Any

import lightning as L
import torch
from torch import nn
from torchmetrics.functional.classification import multiclass_accuracy

from train_adapter.body import CarClassifier
from train_adapter.recipe import Stage

Batch = tuple[torch.Tensor, torch.Tensor]


class StageModule(L.LightningModule):
    """One stage of a recipe. Its input is what the frozen part before gives: features or activations."""

    def __init__(self, model: CarClassifier, stage: Stage, label_smoothing: float) -> None:
        super().__init__()
        self.model = model
        self.stage = stage
        self.loss = nn.CrossEntropyLoss(label_smoothing=label_smoothing)
        for parameter in model.parameters():
            parameter.requires_grad = False
        for parameter in self._moving():
            parameter.requires_grad = True

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        features = self.model.tail(inputs) if self.stage.trains == "last-block" else inputs
        logits: torch.Tensor = self.model.head(features)
        return logits

    def train(self, mode: bool = True) -> "StageModule":
        """BatchNorm stays in evaluation mode: its statistics are ImageNet's, and our batches are small."""
        super().train(mode)
        self.model.body.eval()
        return self

    def training_step(self, batch: Batch, _index: int) -> torch.Tensor:
        inputs, targets = batch
        loss: torch.Tensor = self.loss(self(inputs), targets)
        self.log("train_loss", loss, on_step=False, on_epoch=True, batch_size=len(targets))
        return loss

    def validation_step(self, batch: Batch, _index: int) -> None:
        inputs, targets = batch
        logits = self(inputs)
        accuracy = multiclass_accuracy(logits, targets, num_classes=self.model.classes, average="micro")
        self.log("val_loss", nn.functional.cross_entropy(logits, targets), batch_size=len(targets))
        self.log("val_accuracy", accuracy, batch_size=len(targets))

    def configure_optimizers(self) -> Any:
        groups = [{"params": list(self.model.head.parameters()), "lr": self.stage.head_lr}]
        if self.stage.trains == "last-block":
            groups.append({"params": self._moving_tail(), "lr": self.stage.body_lr})
        optimizer = torch.optim.AdamW(groups, weight_decay=self.stage.weight_decay)
        schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=self.stage.epochs)
        return {"optimizer": optimizer, "lr_scheduler": schedule}

    def _moving(self) -> list[nn.Parameter]:
        head = list(self.model.head.parameters())
        return head + (self._moving_tail() if self.stage.trains == "last-block" else [])

    def _moving_tail(self) -> list[nn.Parameter]:
        return [
            parameter
            for module in self.model.tail_modules()
            for layer in module.modules()
            if not isinstance(layer, nn.BatchNorm2d)
            for parameter in layer.parameters(recurse=False)
        ]
