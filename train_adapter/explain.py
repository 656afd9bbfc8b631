"""Where a model looks: Grad-CAM over right and wrong photos, and how much of the heat lies on the car."""

import io
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw

from train_adapter.ask import Asked, of_pictures
from train_adapter.augment import middle
from train_adapter.calibration import calibrated
from train_adapter.errors import MissingPackage, TrainingError
from train_adapter.folder import Box, read_folder
from train_adapter.network import Network
from train_adapter.pictures import pictures
from train_adapter.predict import Trained
from train_adapter.progress import Progress, silent
from train_adapter.report import embedded, page_of

_BOX_COLOUR = (217, 119, 6)  # seen on white studios and on blue heat alike


@dataclass(frozen=True, slots=True)
class Explained:
    """A photo with where the model looked: the share of heat in the box, and the box's share of the picture."""

    file: Path
    true: str
    predicted: str
    probability: float
    picture: str
    in_box: float | None
    box_share: float | None


@dataclass(frozen=True, slots=True)
class Explanation:
    """What explain.html shows. `in_box` is the mean over the photos with a box."""

    right: tuple[Explained, ...]
    wrong: tuple[Explained, ...]
    in_box: float | None
    box_share: float | None
    page: Path


def explain(trained: Trained, *, part: str, photos: int, cache: Path, progress: Progress = silent) -> Explanation:
    """Writes explain.html into the run: up to `photos` right and wrong ones each, most confident first.

    Raises TrainingError, MissingPackage without grad-cam.
    """
    folder = read_folder(trained.data)
    if folder.classes != trained.classes:
        raise TrainingError(f"{trained.data} has other classes now than the run", hint="train a new run on it")
    image = trained.recipe.image
    held = pictures(folder.parts[part], image.kept_px, image.fit, cache, progress)
    asked = Asked(trained.network, trained.recipe, trained.classes)
    said = calibrated(of_pictures(asked, held, progress), trained.temperature)
    confidence, predicted = said.max(dim=1)
    confident = confidence.argsort(descending=True, stable=True).tolist()
    targets = held.part.targets
    right = [n for n in confident if int(predicted[n]) == targets[n]][:photos]
    wrong = [n for n in confident if int(predicted[n]) != targets[n]][:photos]
    cam = _grad_cam(trained.network)
    shown: dict[int, Explained] = {}
    for done, n in enumerate([*right, *wrong], 1):
        facts = held.part.facts_of(n)
        picture, box = middle(held[n], image, facts.box)
        heat = heat_of(cam, picture, int(predicted[n]))
        shown[n] = Explained(
            held.part.files[n],
            trained.classes[targets[n]],
            trained.classes[int(predicted[n])],
            float(confidence[n]),
            _overlay(picture, heat, box),
            None if box is None else share_inside(heat, box),
            None if box is None else (box[2] - box[0]) * (box[3] - box[1]),
        )
        progress("looking where it looks", done, len(right) + len(wrong))
    boxed = [e for e in shown.values() if e.in_box is not None and e.box_share is not None]
    found = Explanation(
        tuple(shown[n] for n in right),
        tuple(shown[n] for n in wrong),
        float(np.mean([e.in_box for e in boxed])) if boxed else None,
        float(np.mean([e.box_share for e in boxed])) if boxed else None,
        trained.run / "explain.html",
    )
    page = page_of("explain.html", run=trained.run.name, part=part, found=found, boxed=len(boxed))
    found.page.write_text(page, encoding="utf-8")
    return found


def heat_of(cam: Any, picture: torch.Tensor, target: int) -> np.ndarray:
    """(px, px) float from 0 to 1: what speaks for the class `target` in a uint8 picture (3, px, px)."""
    from pytorch_grad_cam.utils.model_targets import ClassifierOutputTarget

    heat: np.ndarray = cam(picture[None].float() / 255, targets=[ClassifierOutputTarget(target)])[0]
    return heat


def share_inside(heat: np.ndarray, box: Box) -> float:
    """The share of the heat that lies in a box, given as shares of the picture; 0 where there is no heat."""
    side = heat.shape[0]
    left, top, right, bottom = (round(share * side) for share in box)
    total = float(heat.sum())
    return float(heat[top:bottom, left:right].sum()) / total if total else 0.0


def _grad_cam(network: Network) -> Any:
    """Of the last maps before they are averaged."""
    try:
        from pytorch_grad_cam import GradCAM
    except ModuleNotFoundError:
        raise MissingPackage("explain needs the package grad-cam", hint='pip install "carharvest[explain]"') from None
    last = network.body.feature_info[-1]["module"]
    for parameter in network.parameters():
        parameter.requires_grad = True
    return GradCAM(model=network.eval(), target_layers=[network.body.get_submodule(last)])


def _overlay(picture: torch.Tensor, heat: np.ndarray, box: Box | None) -> str:
    from pytorch_grad_cam.utils.image import show_cam_on_image

    plain = picture.permute(1, 2, 0).numpy()
    both = np.concatenate([plain, show_cam_on_image(plain.astype(np.float32) / 255, heat, use_rgb=True)], axis=1)
    shown = Image.fromarray(both)
    if box is not None:
        side = plain.shape[0]
        draw = ImageDraw.Draw(shown)
        for offset in (0, side):
            corners = [box[0] * side + offset, box[1] * side, box[2] * side + offset - 1, box[3] * side - 1]
            draw.rectangle(corners, outline=_BOX_COLOUR, width=2)
    buffer = io.BytesIO()
    shown.save(buffer, "JPEG", quality=85)
    return embedded(buffer.getvalue(), "jpeg")
