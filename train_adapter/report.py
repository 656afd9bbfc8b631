"""report.html: one self-contained page that tells how a model was made and how good it is."""

import base64
import io
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image, ImageOps

from train_adapter.evaluate import Evaluation

_GALLERY = 12
_THUMBNAIL_PX = 220


@dataclass(frozen=True, slots=True)
class Example:
    """A test photo with its true class and what the model made of it."""

    picture: str
    name: str
    true: str
    predicted: str
    probability: float


def write_report(
    file: Path,
    result: dict[str, Any],
    evaluation: Evaluation,
    classes: Sequence[str],
    pictures: Mapping[str, bytes],
) -> None:
    """Writes the page; every text is escaped and pictures are inside it."""
    confident = sorted(range(len(evaluation.files)), key=lambda i: -float(evaluation.probabilities[i].max()))
    predicted = evaluation.probabilities.argmax(dim=1).tolist()
    wrong = [i for i in confident if predicted[i] != evaluation.targets[i]]
    right = [i for i in confident if predicted[i] == evaluation.targets[i]]

    def examples(positions: Sequence[int]) -> list[Example]:
        return [
            Example(
                thumbnail(evaluation.files[i]),
                evaluation.files[i].name,
                classes[evaluation.targets[i]],
                classes[predicted[i]],
                float(evaluation.probabilities[i].max()),
            )
            for i in positions[:_GALLERY]
        ]

    page = page_of(
        "report.html",
        result=result,
        scores=evaluation.per_class,
        evaluation=evaluation,
        pictures={name: embedded(picture, "png") for name, picture in pictures.items()},
        wrong=examples(wrong),
        wrong_count=len(wrong),
        right=examples(_spread(right, evaluation.targets)),
        right_count=len(right),
    )
    file.write_text(page, encoding="utf-8")


def page_of(page: str, **content: Any) -> str:
    """A page of ours with its content; every text in it is escaped."""
    environment = Environment(
        loader=PackageLoader("train_adapter", "pages"), autoescape=True, undefined=StrictUndefined
    )
    return environment.get_template(page).render(**content)


def _spread(positions: Sequence[int], targets: Sequence[int]) -> list[int]:
    """The most confident of each class first, then the second of each, and so on."""
    seen: dict[int, int] = {}
    ranked = []
    for order, i in enumerate(positions):
        seen[targets[i]] = seen.get(targets[i], 0) + 1
        ranked.append((seen[targets[i]], order, i))
    return [i for _, _, i in sorted(ranked)]


def thumbnail(file: Path) -> str:
    """A small JPEG of a photo as a data: address."""
    with Image.open(file) as image:
        image.draft("RGB", (_THUMBNAIL_PX, _THUMBNAIL_PX))
        small = ImageOps.exif_transpose(image).convert("RGB")
    small.thumbnail((_THUMBNAIL_PX, _THUMBNAIL_PX))
    buffer = io.BytesIO()
    small.save(buffer, "JPEG", quality=80)
    return embedded(buffer.getvalue(), "jpeg")


def embedded(data: bytes, kind: str) -> str:
    """A picture as a data: address."""
    return f"data:image/{kind};base64,{base64.b64encode(data).decode()}"
