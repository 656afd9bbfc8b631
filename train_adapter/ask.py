"""What a network says of photos, batch by batch; smaller batches where the memory does not do."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import torch

from train_adapter.augment import middle
from train_adapter.decode import pixels
from train_adapter.fit import out_of_memory
from train_adapter.folder import mirrored_classes
from train_adapter.network import Network
from train_adapter.pictures import Pictures
from train_adapter.progress import Progress
from train_adapter.recipe import Image, Recipe

_BATCH = 8  # on CPUs; fastest on two cores
_BATCH_ON_DEVICE = 64


class Asked:
    """A network, and how it wants its pictures: with their mirror images too, where the recipe says so."""

    def __init__(self, network: Network, recipe: Recipe, classes: Sequence[str]) -> None:
        self.network = network
        self.image: Image = recipe.image
        mirrored = mirrored_classes(classes) if recipe.test_flip else None
        self._mirrored = None if mirrored is None else torch.tensor(mirrored)

    @torch.no_grad()
    def log_probabilities(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, classes) of uint8 pictures (n, 3, px, px), on the CPU; the mean with the mirror image where it counts."""
        network = self.network
        pictures = batch.to(network.mean.device).float() / 255
        found = _said(network, pictures)
        if self._mirrored is None:
            return found
        other = _said(network, pictures.flip(3))[:, self._mirrored]
        return torch.logaddexp(found, other) - float(np.log(2))

    @torch.no_grad()
    def boxes(self, batch: torch.Tensor) -> torch.Tensor:
        """(n, 4) left, top, right, bottom as shares of the picture, on the CPU."""
        return self.network.both(batch.to(self.network.mean.device).float() / 255)[1].float().cpu()


def of_pictures(asked: Asked, pictures: Pictures, progress: Progress) -> torch.Tensor:
    """(n, classes) log probabilities of the photos of a part."""
    return _all(
        asked,
        len(pictures),
        lambda n: pictures[n],
        asked.log_probabilities,
        progress,
        f"asking of {pictures.part.name} photos",
    )


def boxes_of_pictures(asked: Asked, pictures: Pictures, progress: Progress) -> torch.Tensor:
    """(n, 4) boxes of the photos of a part."""
    return _all(asked, len(pictures), lambda n: pictures[n], asked.boxes, progress, "finding boxes")


def of_files(asked: Asked, files: Sequence[Path], progress: Progress) -> torch.Tensor:
    """(n, classes) log probabilities of photos anywhere. Raises OSError for what is no picture."""
    image = asked.image
    return _all(
        asked,
        len(files),
        lambda n: pixels(files[n], image.kept_px, image.fit),
        asked.log_probabilities,
        progress,
        "predicting",
    )


def _said(network: Network, pictures: torch.Tensor) -> torch.Tensor:
    """(n, classes) log probabilities on the CPU; a network whose numbers have run away says nothing: all are alike."""
    logits: torch.Tensor = network(pictures).float().cpu()
    return logits.nan_to_num(0.0, 0.0, 0.0).log_softmax(dim=1)


def _all(
    asked: Asked,
    count: int,
    square: Callable[[int], np.ndarray],
    answer: Callable[[torch.Tensor], torch.Tensor],
    progress: Progress,
    what: str,
) -> torch.Tensor:
    asked.network.eval()
    size = _BATCH if asked.network.mean.device.type == "cpu" else _BATCH_ON_DEVICE
    found: list[torch.Tensor] = []
    start = 0
    while start < count:
        end = min(start + size, count)
        try:
            found.append(answer(torch.stack([middle(square(n), asked.image, None)[0] for n in range(start, end)])))
        except RuntimeError as error:
            if not out_of_memory(error) or size == 1:
                raise
            size //= 2
            continue
        start = end
        progress(what, end, count)
    return torch.cat(found)
