"""Whether probabilities mean what they say, and the temperature that makes them."""

import numpy as np
import torch
from scipy.optimize import minimize_scalar
from torch.nn import functional as F
from torchmetrics.functional.classification import multiclass_calibration_error

BINS = 15
_RANGE = (-3.0, 3.0)  # of the logarithm of the temperature


def fitted_temperature(log_probabilities: torch.Tensor, targets: torch.Tensor) -> float:
    """The number to divide logits by that makes true classes most likely (Guo et al. 2017); to be fitted on val."""

    def loss(log_t: float) -> float:
        return float(F.cross_entropy(log_probabilities.double() / np.exp(log_t), targets))

    found = minimize_scalar(loss, bounds=_RANGE, method="bounded")
    return float(np.exp(found.x)) if found.fun < loss(0.0) else 1.0


def calibrated(log_probabilities: torch.Tensor, temperature: float) -> torch.Tensor:
    """(n, classes) probabilities at a temperature."""
    return (log_probabilities / temperature).softmax(dim=1)


def calibration_error(probabilities: torch.Tensor, targets: torch.Tensor) -> float:
    """The expected calibration error: how far confidence and accuracy are apart, on average over 15 bins."""
    classes = probabilities.shape[1]
    return float(multiclass_calibration_error(probabilities, targets, num_classes=classes, n_bins=BINS))


def reliability(probabilities: torch.Tensor, targets: torch.Tensor) -> list[tuple[float, float, int]]:
    """For each bin that has photos: mean confidence, accuracy, photos."""
    confidence, predicted = probabilities.max(dim=1)
    right = (predicted == targets).double()
    bins = (confidence * BINS).long().clamp(max=BINS - 1)
    return [
        (float(confidence[bins == b].mean()), float(right[bins == b].mean()), int((bins == b).sum()))
        for b in range(BINS)
        if (bins == b).any()
    ]
