"""The classifier: a body, a head that names the class, and where a recipe wants it a head that finds the car."""

from typing import Any

import torch
from torch import nn

from train_adapter.bodies import create_body, normalisation
from train_adapter.errors import TrainingError
from train_adapter.recipe import Head, Recipe

_HEAD_STD = 0.01  # small: at first every class is as likely, so the loss begins at ln(classes)
_BOX_GRID = 7  # places a side that the box head sees: the maps of a 224 px picture at the usual stride of 32


class Network(nn.Module):
    """Pictures in, logits out. Pictures: (n, 3, px, px) float from 0 to 1; it normalises them itself.

    The body of an EfficientNet (MobileNet) can be cut: `trunk` is all but its last block, `tail` the rest.
    """

    mean: torch.Tensor
    std: torch.Tensor

    def __init__(self, body: Any, classes: int, head: Head, boxes: bool) -> None:
        super().__init__()
        self.body = body
        self.classes = classes
        mean, std = normalisation(body)
        self.register_buffer("mean", torch.tensor(mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std).view(1, 3, 1, 1), persistent=False)
        width = body.num_features
        layers: list[nn.Module] = [nn.Dropout(head.dropout)]
        if head.hidden:
            layers += [nn.Linear(width, head.hidden), nn.ReLU(), nn.Dropout(head.hidden_dropout)]
            width = head.hidden
        last = nn.Linear(width, classes)
        nn.init.normal_(last.weight, std=_HEAD_STD)
        nn.init.zeros_(last.bias)
        self.head = nn.Sequential(*layers, last)
        self.box_head = _box_head(body.num_features) if boxes else None
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on CPUs

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.body(self.normalised(pictures)))
        return logits

    def both(self, pictures: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Logits, and boxes (n, 4): left, top, right, bottom as shares of the picture."""
        if self.box_head is None:
            raise TrainingError("this model finds no boxes", hint="train one with: --recipe transfer-box")
        maps = self.body.forward_features(self.normalised(pictures))
        if maps.ndim != 4:
            raise TrainingError("this body has no maps to find boxes in", hint="choose a convolutional one")
        middle, size = self.box_head(maps).sigmoid().chunk(2, dim=1)
        boxes = torch.cat([middle - size / 2, middle + size / 2], dim=1)
        return self.head(self.body.forward_head(maps)), boxes

    def normalised(self, pictures: torch.Tensor) -> torch.Tensor:
        return ((pictures - self.mean) / self.std).contiguous(memory_format=torch.channels_last)

    def trunk(self, pictures: torch.Tensor) -> torch.Tensor:
        """What the frozen part makes of pictures: (n, channels, h, w) activations."""
        self.must_be_cut()
        x: torch.Tensor = self.body.bn1(self.body.conv_stem(self.normalised(pictures)))
        for block in list(self.body.blocks)[:-1]:
            x = block(x)
        return x

    def tail(self, activations: torch.Tensor) -> torch.Tensor:
        """(n, features) of activations."""
        x = self.body.blocks[-1](activations)
        features: torch.Tensor = self.body.forward_head(self.body.bn2(self.body.conv_head(x)))
        return features

    def must_be_cut(self) -> None:
        """Raises TrainingError where the body cannot be cut before its last block."""
        if not {"conv_stem", "bn1", "blocks", "conv_head", "bn2"} <= {name for name, _ in self.body.named_children()}:
            raise TrainingError(
                "this body has no last block to cut at",
                hint="use one of the EfficientNet family, or a recipe whose stages see pictures",
            )


def build_network(recipe: Recipe, classes: int) -> Network:
    """The network of a recipe, with random weights."""
    return Network(create_body(recipe.body, recipe.drop_path), classes, recipe.head, recipe.boxes)


def _box_head(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, 32, 1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(_BOX_GRID),
        nn.Flatten(),
        nn.Linear(32 * _BOX_GRID * _BOX_GRID, 4),
    )
