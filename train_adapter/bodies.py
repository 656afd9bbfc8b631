"""Bodies: what makes features of pictures. timm's by name, and plain stacks of convolutions of our own."""

import re
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Any

import timm
import torch
from timm.models import group_parameters
from torch import nn

from train_adapter.errors import TrainingError

_PLAIN = re.compile(r"plain(?P<bn>-bn)?(?P<widths>(-\d{1,4})+)")
_HALF = (0.5, 0.5, 0.5)


class PlainBody(nn.Module):
    """A block for each width: convolution 3 x 3, BatchNorm if wanted, ReLU, max-pool; then the average over places."""

    def __init__(self, widths: Sequence[int], batchnorm: bool) -> None:
        super().__init__()
        channels = [3, *widths]
        self.blocks = nn.Sequential(
            *(
                nn.Sequential(
                    nn.Conv2d(before, after, 3, padding=1),
                    *([nn.BatchNorm2d(after)] if batchnorm else []),
                    nn.ReLU(),
                    nn.MaxPool2d(2),
                )
                for before, after in pairwise(channels)
            )
        )
        self.num_features = widths[-1]
        self.feature_info = [{"module": f"blocks.{len(widths) - 1}"}]
        self.pretrained_cfg = {"mean": _HALF, "std": _HALF}

    def forward_features(self, pictures: torch.Tensor) -> torch.Tensor:
        maps: torch.Tensor = self.blocks(pictures)
        return maps

    def forward_head(self, maps: torch.Tensor) -> torch.Tensor:
        return maps.mean(dim=(2, 3))

    def forward(self, pictures: torch.Tensor) -> torch.Tensor:
        return self.forward_head(self.forward_features(pictures))

    def group_matcher(self, coarse: bool = False) -> Mapping[str, Any]:
        """As timm's bodies have it: which parameter belongs to which layer, counted from below."""
        return {"blocks": r"^blocks\.(\d+)"}


def create_body(name: str, drop_path: float = 0.0) -> Any:
    """A body without its classifier, with random weights. Raises TrainingError for a name that nobody knows.

    `plain-32-64-128` and `plain-bn-…` are ours, all other names timm's.
    """
    if plain := _PLAIN.fullmatch(name):
        return PlainBody([int(width) for width in plain["widths"].split("-")[1:]], bool(plain["bn"]))
    if not timm.is_model(name.split(".")[0]):
        near = ", ".join(timm.list_models(f"*{name.split('_')[0]}*")[:5])
        raise TrainingError(
            f"there is no body {name!r}",
            hint=f"timm has {near}, …" if near else "timm.list_models() tells those of timm; ours are plain-32-64-128",
        )
    more = {"drop_path_rate": drop_path} if drop_path else {}
    return timm.create_model(name, pretrained=False, num_classes=0, **more)


def blocks_from_top(body: Any) -> list[list[nn.Parameter]]:
    """The parameters of a body in blocks as timm groups them, the one nearest to the head first."""
    groups = group_parameters(body, body.group_matcher(coarse=True))
    known = dict(body.named_parameters())
    return [[known[name] for name in names if name in known] for _, names in sorted(groups.items(), reverse=True)]


def normalisation(body: Any) -> tuple[tuple[float, ...], tuple[float, ...]]:
    """The mean and the standard deviation a channel that pictures (0 to 1) were given with in pretraining."""
    return tuple(body.pretrained_cfg["mean"]), tuple(body.pretrained_cfg["std"])
