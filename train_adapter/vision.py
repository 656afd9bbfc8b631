"""Imports torchvision, beside a torch that it was not compiled for too.

PyPI's torchvision registers its compiled operators against CUDA builds of torch. Beside a CPU-only torch its import
fails because two operators have no schema; declaring them makes everything in Python work (transforms, datasets,
models), and nothing here uses the compiled operators.
"""

from typing import Any

import torch

_SCHEMAS = (
    "nms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
    "qnms(Tensor dets, Tensor scores, float iou_threshold) -> Tensor",
)
_declared: list[object] = []  # an operator lives as long as its library


def make_importable() -> None:
    """Call before importing torchvision or timm."""
    try:
        import torchvision
    except RuntimeError as error:
        if "torchvision::nms" not in str(error):
            raise
        library: Any = torch.library.Library("torchvision", "DEF")  # type: ignore[no-untyped-call]
        for schema in _SCHEMAS:
            library.define(schema)
        _declared.append(library)
        import torchvision  # noqa: F401
