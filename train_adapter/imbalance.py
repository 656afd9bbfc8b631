"""What is done about classes of unequal size: weights of the loss, odds of the sampler, an offset of the logits."""

from collections.abc import Sequence

import torch

_EFFECTIVE_BETA = 0.999  # Cui et al. 2019, "Class-Balanced Loss Based on Effective Number of Samples"


def class_weights(words: Sequence[str], counts: Sequence[int]) -> torch.Tensor | None:
    """(classes,) weights of the loss, 1 on the average photo; None for none. `counts`: train photos of each class.

    balanced: total / (classes * count); sqrt: the root of total / count; effective: (1 - b) / (1 - b^count), b = 0.999.
    Raises ValueError where a class has no photo.
    """
    n = torch.tensor(counts, dtype=torch.float32)
    if (n == 0).any():
        raise ValueError("a class without train photos has no weight")
    if "balanced" in words:
        raw = 1 / n
    elif "sqrt" in words:
        raw = (n.sum() / n).sqrt()
    elif "effective" in words:
        raw = (1 - _EFFECTIVE_BETA) / (1 - _EFFECTIVE_BETA**n)
    else:
        return None
    return raw * n.sum() / (raw * n).sum()


def sampler_odds(words: Sequence[str], targets: Sequence[int]) -> torch.Tensor | None:
    """(photos,) odds that make each class equally likely to be drawn; None where each photo is seen once an epoch."""
    if "sampler" not in words:
        return None
    of = torch.tensor(targets)
    return (1 / torch.bincount(of).double())[of]


def logit_offset(words: Sequence[str], counts: Sequence[int], tau: float) -> torch.Tensor | None:
    """(classes,) tau * log(share), added to the logits in training only (Menon et al. 2021, "Long-tail learning via
    logit adjustment")."""
    if "logit-adjustment" not in words:
        return None
    n = torch.tensor(counts, dtype=torch.float32)
    return tau * (n / n.sum()).log()
