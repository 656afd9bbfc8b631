"""Which device trains, and with how many bits."""

from dataclasses import dataclass
from typing import Any

import torch

from train_adapter.errors import TrainingError

DEVICES = ("auto", "cpu", "cuda", "mps")


@dataclass(frozen=True, slots=True)
class Device:
    """`accelerator` as Lightning names it."""

    accelerator: str

    @property
    def torch(self) -> torch.device:
        return torch.device(self.accelerator)

    @property
    def accelerated(self) -> bool:
        return self.accelerator != "cpu"

    def precision(self, wanted: str) -> Any:
        """Lightning's word. `auto`: bfloat16 on CUDA where it knows it, float16 where not, else float32.

        Elsewhere half precision is used only if it is asked for.
        """
        if wanted == "auto":
            if self.accelerator != "cuda":
                return "32-true"
            return "bf16-mixed" if torch.cuda.is_bf16_supported() else "16-mixed"
        return {"32": "32-true", "16": "16-mixed", "bf16": "bf16-mixed"}[wanted]


def pick_device(wanted: str) -> Device:
    """`auto` takes CUDA, then MPS, then the CPU. Raises TrainingError for what is not there."""
    there = {"cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available(), "cpu": True}
    if wanted == "auto":
        return Device(next(name for name, found in there.items() if found))
    if not there.get(wanted, False):
        have = ", ".join(name for name, found in there.items() if found)
        raise TrainingError(f"there is no device {wanted!r} here", hint=f"there is: {have}; auto takes the best")
    return Device(wanted)
