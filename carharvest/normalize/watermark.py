"""Stage `watermark`: photos with text or a banner laid over them. Needs OpenCV, of the extra `vision`."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import dataclass
from pathlib import Path

from carharvest.blobs import BlobStore
from carharvest.normalize.base import Progress, Scope, silent
from carharvest.normalize.overlay import Overlay, overlay
from carharvest.records import Photo, Verdict
from carharvest.settings import WatermarkSettings

_TASK = 50  # photos that a worker gets at a time


@dataclass(frozen=True, slots=True)
class WatermarkStage:
    """Flags a row of at least `min_letters` letters, and banners with marks in them; with `drop`, drops them."""

    limits: WatermarkSettings
    thumbnails: BlobStore
    workers: Callable[[], Executor]
    tell: Progress = silent
    name: str = "watermark"
    version: int = 1
    scope: Scope = "new"

    def settings(self) -> Mapping[str, object]:
        return self.limits.model_dump()

    def run(self, photos: Iterable[Photo]) -> Iterator[Verdict]:
        seen = [(photo.id, str(self.thumbnails.path(photo.sha256, "jpg"))) for photo in photos]
        if not seen:
            return
        tasks = [seen[start : start + _TASK] for start in range(0, len(seen), _TASK)]
        paths = [[path for _, path in task] for task in tasks]
        with self.workers() as executor:
            for number, (task, found) in enumerate(zip(tasks, executor.map(_overlays, paths), strict=True)):
                self.tell("looking for text over photos", number * _TASK + len(task), len(seen))
                for (photo_id, _), over in zip(task, found, strict=True):
                    if over is not None and (over.letters >= self.limits.min_letters or over.banner > 0):
                        evidence = {"letters": over.letters, "banner": over.banner}
                        yield Verdict(photo_id, not self.limits.drop, "watermark", evidence)


def _overlays(paths: Sequence[str]) -> list[Overlay | None]:
    """In a worker; None where a thumbnail is missing."""
    found: list[Overlay | None] = []
    for path in paths:
        try:
            found.append(overlay(Path(path).read_bytes()))
        except OSError:
            found.append(None)
    return found
