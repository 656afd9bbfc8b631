"""The stages in their order."""

from functools import partial
from importlib.util import find_spec

from carharvest.blobs import BlobStore
from carharvest.brands import BrandMapping
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import all_hashes, prints_of, straight_hashes, ties_among
from carharvest.engine import cores, local_processes
from carharvest.normalize.base import AbsentStage, Stage
from carharvest.normalize.brands import BrandsStage
from carharvest.normalize.duplicates import DuplicatesStage
from carharvest.normalize.features import FeaturesStage
from carharvest.normalize.hashes import HashesStage
from carharvest.normalize.names import NamesStage
from carharvest.normalize.quality import QualityStage
from carharvest.normalize.rename import RenameStage
from carharvest.normalize.views import ViewsStage
from carharvest.settings import Settings

_HOW = 'pip install "carharvest[vision]"'
_PLAIN = 0.02  # contrast under which a picture's hashes say nothing


def all_stages(settings: Settings, mapping: BrandMapping, catalog: Catalog) -> list[Stage]:
    """Each after those that it builds on: duplicates needs what the others dropped, and what looks alike."""
    return [
        NamesStage(),
        BrandsStage(mapping),
        ViewsStage(),
        QualityStage(settings.quality),
        HashesStage(settings.duplicates, partial(straight_hashes, catalog, _PLAIN), partial(prints_of, catalog)),
        _features(settings, catalog),
        DuplicatesStage(settings.duplicates, partial(ties_among, catalog)),
        RenameStage(settings.seed),
    ]


def _features(settings: Settings, catalog: Catalog) -> Stage:
    if find_spec("cv2") is None:
        return AbsentStage("features", f"crops and rotations are not looked for; {_HOW}")
    return FeaturesStage(
        settings.duplicates,
        BlobStore(settings.workspace / "thumbs"),
        settings.workspace / "cache",
        partial(all_hashes, catalog),
        partial(local_processes, cores(), ["carharvest.normalize.features", "carharvest.normalize.sift"]),
    )
