"""What a split is made by: shares, seed, classes, rare classes, groups, a choice of photos, folds."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any, Literal

from carharvest.errors import BadSettings
from carharvest.records import Grouping, Part

RarePolicy = Literal["keep", "drop", "pool"]
By = Literal["brand", "model", "view", "brand+view"]


@dataclass(frozen=True, slots=True)
class SplitPlan:
    """How to split. Shares are in percent and add up to 100; with folds they do not count."""

    seed: int
    train: int = 70
    val: int = 15
    test: int = 15
    by: By = "brand"
    min_per_class: int = 0  # classes with fewer photos are rare
    rare: RarePolicy = "keep"
    floor: int = 1  # photos that a class has in each part at least, as far as it has enough
    group_by: tuple[Grouping, ...] = ()  # besides what looks alike
    within_minutes: int = 10  # of each other, photos of one photographer are one group
    where: str = ""  # a condition, see splits/where.py
    keep_parts: bool = False  # photos of existing data sets stay in the part they had there
    fold: int = 0  # which fold is tested; 0: no folds
    folds: int = 0

    def __post_init__(self) -> None:
        if self.train + self.val + self.test != 100 or min(self.train, self.val, self.test) < 0 or self.train == 0:
            raise BadSettings(
                f"train {self.train}, val {self.val} and test {self.test} percent do not add up to 100",
                hint="for example: --ratios 70/15/15",
            )
        if self.folds and self.folds < 3:
            raise BadSettings(
                f"{self.folds} folds are too few", hint="three at least: one to test, one to validate, one to train"
            )
        if self.folds and self.keep_parts:
            raise BadSettings("folds and kept parts exclude each other", hint="leave out --folds or --keep-parts")

    def share(self, part: Part) -> float:
        return {"train": self.train, "val": self.val, "test": self.test}[part] / 100

    def as_json(self) -> dict[str, Any]:
        """As split.json and the catalog keep it."""
        return asdict(self) | {"group_by": list(self.group_by)}

    @staticmethod
    def read(kept: Mapping[str, Any]) -> "SplitPlan":
        """The plan that was kept; what an older program did not know stands at its default."""
        known = {field.name for field in fields(SplitPlan)}
        said = {name: value for name, value in kept.items() if name in known}
        return SplitPlan(**said | {"group_by": tuple(said.get("group_by", ()))})
