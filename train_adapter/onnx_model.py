"""A model as an ONNX file: asked by onnxruntime."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from train_adapter.augment import middle
from train_adapter.decode import pixels
from train_adapter.errors import MissingPackage, TrainingError
from train_adapter.progress import Progress
from train_adapter.recipe import Image


class OnnxNetwork:
    """Pictures (n, 3, px, px) from 0 to 1 in, logits out; the normalisation is inside the file."""

    def __init__(self, session: Any) -> None:
        self._session = session
        self._input = session.get_inputs()[0].name

    def logits(self, pictures: np.ndarray) -> np.ndarray:
        found: np.ndarray = self._session.run(None, {self._input: pictures.astype(np.float32)})[0]
        return found

    def of_files(self, files: Sequence[Path], image: Image, progress: Progress) -> torch.Tensor:
        """(n, classes) log probabilities of photos. Raises OSError for what is no picture."""
        rows = []
        for n, file in enumerate(files):
            picture = middle(pixels(file, image.kept_px, image.fit), image, None)[0]
            rows.append(self.logits(picture.numpy()[None] / 255))
            progress("predicting", n + 1, len(files))
        return torch.from_numpy(np.concatenate(rows)).log_softmax(dim=1)


def load_onnx(file: Path, classes: int | None = None) -> OnnxNetwork:
    """A file of ours. Raises TrainingError for what is none, MissingPackage without onnxruntime."""
    try:
        import onnxruntime
    except ModuleNotFoundError:
        raise MissingPackage("ONNX files are asked by onnxruntime", hint='pip install "carharvest[export]"') from None
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    try:
        session = onnxruntime.InferenceSession(str(file), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime's errors have no common class of their own
        raise TrainingError(f"{file} is no ONNX model: {error}", hint="make one with: carharvest export RUN") from None
    width = session.get_outputs()[0].shape[-1]
    if classes is not None and width != classes:
        raise TrainingError(
            f"{file} tells {width} classes, labels.txt beside it has {classes}", hint="export the run again"
        )
    return OnnxNetwork(session)
