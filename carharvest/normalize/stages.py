"""The stages in their order."""

from functools import partial

from carharvest.brands import BrandMapping
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import prints_of, straight_hashes, ties_among
from carharvest.normalize.base import Stage
from carharvest.normalize.brands import BrandsStage
from carharvest.normalize.duplicates import DuplicatesStage
from carharvest.normalize.hashes import HashesStage
from carharvest.normalize.names import NamesStage
from carharvest.normalize.quality import QualityStage
from carharvest.normalize.rename import RenameStage
from carharvest.normalize.views import ViewsStage
from carharvest.settings import Settings

_PLAIN = 0.02  # contrast under which a picture's hashes say nothing


def all_stages(settings: Settings, mapping: BrandMapping, catalog: Catalog) -> list[Stage]:
    """Each after those that it builds on: duplicates needs what the others dropped, and what looks alike."""
    return [
        NamesStage(),
        BrandsStage(mapping),
        ViewsStage(),
        QualityStage(settings.quality),
        HashesStage(settings.duplicates, partial(straight_hashes, catalog, _PLAIN), partial(prints_of, catalog)),
        DuplicatesStage(settings.duplicates, partial(ties_among, catalog)),
        RenameStage(settings.seed),
    ]
