"""The losses: cross-entropy or focal for the class, L1 and generalised IoU for the box."""

from dataclasses import dataclass

import torch
from torch import nn
from torch.nn import functional as F
from torchvision.ops import generalized_box_iou_loss

from train_adapter.folder import Folder
from train_adapter.imbalance import class_weights, logit_offset
from train_adapter.recipe import Recipe


@dataclass(frozen=True, slots=True)
class LossWeights:
    """Numbers of the class loss. `gamma` 0 is cross-entropy."""

    label_smoothing: float
    gamma: float


class ClassLoss(nn.Module):
    """The mean loss of logits (n, classes) against classes (n,) or shares of classes (n, classes)."""

    weights: torch.Tensor | None
    offset: torch.Tensor | None

    def __init__(self, plan: LossWeights, weights: torch.Tensor | None, offset: torch.Tensor | None) -> None:
        super().__init__()
        self.plan = plan
        self.register_buffer("weights", weights, persistent=False)
        self.register_buffer("offset", offset, persistent=False)

    def forward(self, logits: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        if self.offset is not None:
            logits = logits + self.offset
        if not self.plan.gamma:
            return F.cross_entropy(logits, targets, self.weights, label_smoothing=self.plan.label_smoothing)
        return focal_loss(logits, targets, self.plan.gamma, self.weights, self.plan.label_smoothing)


def focal_loss(
    logits: torch.Tensor, targets: torch.Tensor, gamma: float, weights: torch.Tensor | None, label_smoothing: float
) -> torch.Tensor:
    """Cross-entropy that counts what is sure already less: (1 - p)^gamma (Lin et al. 2017), for soft targets too.

    The same as cross_entropy at gamma 0.
    """
    classes = logits.shape[1]
    hard = targets.ndim == 1
    shares = F.one_hot(targets, classes).to(logits.dtype) if hard else targets.to(logits.dtype)
    smooth = shares * (1 - label_smoothing) + label_smoothing / classes
    log_p = logits.log_softmax(dim=1)
    terms = -smooth * (1 - log_p.exp()) ** gamma * log_p
    if weights is None:
        return terms.sum(dim=1).mean()
    whole = (shares @ weights).sum() if hard else torch.tensor(len(logits), device=logits.device)
    return (terms * weights).sum() / whole


def box_loss(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """Of boxes (n, 4): left, top, right, bottom as shares; photos without a box (nan) do not count."""
    known = ~true.isnan().any(dim=1)
    if not known.any():
        return found.sum() * 0
    a, b = found[known].float(), true[known].float()
    loss: torch.Tensor = generalized_box_iou_loss(a, b, reduction="mean")
    return loss + 5 * F.l1_loss(a, b)  # 5: Carion et al. 2020 (DETR)


def box_iou(found: torch.Tensor, true: torch.Tensor) -> torch.Tensor:
    """(n,) intersection over union of boxes and boxes in the same order; nan where there is no true box."""
    overlap_from = torch.maximum(found[:, :2], true[:, :2])
    overlap_to = torch.minimum(found[:, 2:], true[:, 2:])
    overlap = (overlap_to - overlap_from).clamp(min=0).prod(dim=1)
    areas = [(boxes[:, 2:] - boxes[:, :2]).clamp(min=0).prod(dim=1) for boxes in (found, true)]
    return overlap / (areas[0] + areas[1] - overlap).clamp(min=1e-9)


def training_loss(recipe: Recipe, folder: Folder) -> ClassLoss:
    """The class loss of a recipe on a folder."""
    words = recipe.imbalance
    plan = LossWeights(recipe.loss.label_smoothing, recipe.loss.gamma if "focal" in words else 0.0)
    return ClassLoss(plan, class_weights(words, folder.counts), logit_offset(words, folder.counts, recipe.loss.tau))
