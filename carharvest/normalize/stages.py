"""The stages in their order."""

from carharvest.brands import BrandMapping
from carharvest.normalize.base import Stage
from carharvest.normalize.brands import BrandsStage
from carharvest.normalize.duplicates import DuplicatesStage
from carharvest.normalize.names import NamesStage
from carharvest.normalize.quality import QualityStage
from carharvest.normalize.rename import RenameStage
from carharvest.normalize.views import ViewsStage
from carharvest.settings import Settings


def all_stages(settings: Settings, mapping: BrandMapping) -> list[Stage]:
    """Names, brands, views, quality, duplicates, rename: duplicates needs what the others dropped."""
    return [
        NamesStage(),
        BrandsStage(mapping),
        ViewsStage(),
        QualityStage(settings.quality),
        DuplicatesStage(settings.duplicates),
        RenameStage(settings.seed),
    ]
