"""The plan of the sample gallery: which photos there are, what each truly shows, and what is wrong with it."""

import io
import random
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from PIL import Image, ImageEnhance, ImageFilter, ImageOps

from carharvest.records import VIEW_WORDS, View
from carharvest.sample.draw import Scene, draw_logo, draw_scene, random_scene, watermarked
from carharvest.sample.makes import MAKES, Make

Trouble = Literal[
    "exact-copy", "near-copy", "mirrored-copy", "watermark", "logo", "blurred", "tiny", "truncated", "mislabelled"
]

# Shares of the photos of a brand; drawn photos without trouble make up the rest.
_TROUBLES: dict[Trouble, float] = {
    "exact-copy": 0.03, "near-copy": 0.05, "mirrored-copy": 0.03, "watermark": 0.04, "logo": 0.04,
    "blurred": 0.03, "tiny": 0.02, "truncated": 0.02, "mislabelled": 0.03,
}  # fmt: skip
_AUTHORS = (
    "Zoë Müller",
    "José Álvarez",
    "Łukasz Żak",
    "Ana Šarić",
    "Émile Côté",
    "Иван Петров",
    "Mia Okafor",
    "Li Wei",
)
_VIEWS: tuple[View, ...] = tuple(VIEW_WORDS)


@dataclass(frozen=True, slots=True)
class Item:
    """One photo of the gallery and the truth about it.

    `make` is what it shows, `found_under` the brand whose search brings it. A copy names its original in `copy_of`.
    """

    id: int
    make: Make
    found_under: str
    scene: Scene
    alt: str
    author: str
    trouble: Trouble | None = None
    copy_of: int | None = None

    @property
    def view(self) -> View | None:
        if self.trouble == "logo":
            return None
        return _MIRRORED.get(self.scene.view, self.scene.view) if self.trouble == "mirrored-copy" else self.scene.view


_MIRRORED: dict[View, View] = {
    "front-left": "front-right", "front-right": "front-left", "rear-left": "rear-right", "rear-right": "rear-left",
}  # fmt: skip


def plan_gallery(seed: int = 7, photos: int | None = None) -> list[Item]:
    """The photos of the gallery; the same for the same seed. `photos` scales their number (about 830 by default)."""
    rng = random.Random(seed)
    scale = 1.0 if photos is None else photos / sum(make.photos for make in MAKES)
    items: list[Item] = []
    for make in MAKES:
        count = max(6, round(make.photos * scale))
        originals = [_original(len(items) + n, make, rng) for n in range(count - _planted(count))]
        items += originals
        for trouble, share in _TROUBLES.items():
            for _ in range(round(share * count)):
                items.append(_troubled(len(items), trouble, rng.choice(originals), rng))
    return items


def item_bytes(items: Sequence[Item], item: Item) -> bytes:
    """The file of an item: a JPEG, or what is left of one."""
    if item.trouble == "exact-copy":
        return item_bytes(items, items[item.copy_of or 0])
    rng = random.Random(item.id)
    if item.trouble == "logo":
        return _jpeg(draw_logo(item.make, rng), 92)
    picture = draw_scene(item.scene)
    match item.trouble:
        case "near-copy":
            width, height = picture.size
            picture = picture.resize((int(width * 0.7), int(height * 0.7)), Image.Resampling.LANCZOS)
            picture = ImageEnhance.Brightness(picture).enhance(rng.uniform(0.9, 1.12))
            return _jpeg(picture, 55)
        case "mirrored-copy":
            picture = ImageOps.mirror(picture)
        case "watermark":
            picture = watermarked(picture, rng.choice(["AUTOBÖRSE24", "car-pics.example", "© Foto Novak"]), rng)
        case "blurred":
            picture = picture.filter(ImageFilter.GaussianBlur(rng.uniform(7, 10)))
        case "tiny":
            picture.thumbnail((72, 72))
    data = _jpeg(picture, rng.randint(78, 93))
    return data[: int(len(data) * 0.6)] if item.trouble == "truncated" else data


def truth(items: Sequence[Item]) -> list[dict[str, str | int | None]]:
    """What tests and curious people hold the stages against: one record a photo."""
    return [
        {
            "id": item.id,
            "brand": item.make.key,
            "found_under": item.found_under,
            "view": item.view,
            "trouble": item.trouble,
            "copy_of": item.copy_of,
        }
        for item in items
    ]


def _planted(count: int) -> int:
    return sum(round(share * count) for share in _TROUBLES.values())


def _original(number: int, make: Make, rng: random.Random) -> Item:
    scene = random_scene(make, rng.choice(_VIEWS), rng)
    return Item(number, make, make.key, scene, _alt(make, scene, rng), rng.choice(_AUTHORS))


def _troubled(number: int, trouble: Trouble, original: Item, rng: random.Random) -> Item:
    if trouble in {"exact-copy", "near-copy", "mirrored-copy"}:
        return replace(original, id=number, trouble=trouble, copy_of=original.id, author=rng.choice(_AUTHORS))
    if trouble == "mislabelled":
        # The search for one brand brings another's car; half of them say so in their text.
        shown = rng.choice([make for make in MAKES if make.key != original.make.key])
        fresh = _original(number, shown, rng)
        alt = fresh.alt if rng.random() < 0.5 else "A parked car"
        return replace(fresh, found_under=original.found_under, trouble=trouble, alt=alt)
    fresh = _original(number, original.make, rng)
    alt = f"{original.make.name} logo" if trouble == "logo" else fresh.alt
    return replace(fresh, trouble=trouble, alt=alt)


def _alt(make: Make, scene: Scene, rng: random.Random) -> str:
    model = rng.choice(make.models)
    return rng.choice(
        [
            f"{scene.paint.capitalize()} {make.name} {model} on a road",
            f"{make.name} {model}, {VIEW_WORDS[scene.view]} view",
            f"Photo of a {scene.paint} {make.name} {model}",
            f"A {scene.paint} car parked outside",
        ]
    )


def _jpeg(picture: Image.Image, quality: int) -> bytes:
    buffer = io.BytesIO()
    picture.save(buffer, "JPEG", quality=quality)
    return buffer.getvalue()
