"""Recipes: training configurations in YAML files, checked before anything runs."""

from collections.abc import Mapping, Sequence
from importlib import resources
from pathlib import Path
from typing import Annotated, Any, Literal

import yaml
from pydantic import BaseModel, BeforeValidator, ConfigDict, Field, ValidationError, model_validator

from train_adapter.decode import Fit
from train_adapter.errors import TrainingError
from train_adapter.overrides import with_overrides

DEFAULT_RECIPE = "fast-cpu"
DEFAULT_WITH_ACCELERATOR = "best"  # needs a hub for its weights

ImbalanceWord = Literal["none", "balanced", "sqrt", "effective", "sampler", "focal", "logit-adjustment"]
Share = Annotated[float, Field(ge=0, le=1)]
_INHERITED = ("optimizer", "schedule", "batchnorm", "ema", "patience")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Image(_Section):
    """What the body sees: `px` a side, cut from a square of `load_px` (by chance in training, the middle later)."""

    px: int = Field(default=224, ge=32, le=1024)
    load_px: int = Field(default=0, ge=0, le=1024)  # 0: as px
    fit: Fit = "squash"

    @property
    def kept_px(self) -> int:
        return max(self.load_px, self.px)


class Augment(_Section):
    """How train photos are changed by chance. Strengths of jitter are torchvision's, angles in degrees."""

    flip: bool = False
    crop: Annotated[float, Field(gt=0, le=1)] = 1.0  # the least share of the picture that a random crop shows
    rotate: float = Field(default=0, ge=0, le=180)
    jitter: Share = 0
    erase: Share = 0  # how often a rectangle is blanked
    policy: Literal["none", "randaugment", "trivialaugment"] = "none"
    mixup: float = Field(default=0, ge=0)  # alpha of the Beta distribution; 0: off
    cutmix: float = Field(default=0, ge=0)


class Head(_Section):
    """Dropout, a dense layer of `hidden` with ReLU and dropout if there is one, and the last layer."""

    dropout: float = Field(default=0, ge=0, lt=1)
    hidden: int = Field(default=0, ge=0)
    hidden_dropout: float = Field(default=0, ge=0, lt=1)


class Loss(_Section):
    """Cross-entropy, with what the words of `imbalance` need: `gamma` of focal, `tau` of logit adjustment."""

    label_smoothing: float = Field(default=0, ge=0, lt=1)
    gamma: float = Field(default=2.0, ge=0)
    tau: float = Field(default=1.0, ge=0)
    box_weight: float = Field(default=1.0, ge=0)


class Optimizer(_Section):
    """`name` as timm knows it; `layer_decay` multiplies the rate for each block further from the head."""

    name: str = "adamw"
    lr: float = Field(gt=0)
    weight_decay: float = Field(default=0.01, ge=0)
    layer_decay: float = Field(default=1.0, gt=0, le=1)
    clip: float = Field(default=0, ge=0)  # the largest norm of the gradients; 0: any


class Schedule(_Section):
    """How the rate goes: by epoch (cosine, plateau) or by step (onecycle: `lr` is its peak)."""

    name: Literal["constant", "cosine", "plateau", "onecycle"] = "constant"
    t_max: int = Field(default=0, ge=0)  # cosine: epochs of half a period; 0: those of the stage
    factor: float = Field(default=0.5, gt=0, lt=1)
    patience: int = Field(default=3, ge=0)
    min_lr: float = Field(default=0, ge=0)


class Stage(_Section):
    """One fit. `trains`: the head alone, the head and that many blocks of the body from the top, or all.

    `sees: activations` runs the part that stays frozen once over each photo and its mirror image and keeps the result.
    """

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    trains: Literal["head", "all"] | Annotated[int, Field(ge=1)]
    epochs: int = Field(ge=1, le=1000)
    sees: Literal["pictures", "activations"] = "pictures"
    frozen_epochs: int = Field(default=0, ge=0)  # so many epochs only the head moves
    batchnorm: Literal["train", "eval"] = "train"
    ema: float = Field(default=0, ge=0, lt=1)
    patience: int = Field(default=0, ge=0)  # epochs without a better `monitor` before it stops; 0: never
    optimizer: Optimizer
    schedule: Schedule = Schedule()

    @model_validator(mode="after")
    def _activations_end_before_the_last_block(self) -> "Stage":
        if self.sees == "activations" and self.trains not in ("head", 1):
            raise ValueError("a stage that sees activations trains the head or 1 block, what is below has run already")
        return self


def _as_words(given: Any) -> Any:
    return [given] if isinstance(given, str) else given


class Recipe(_Section):
    """A body, its weights, and the stages that train it."""

    name: str
    summary: str
    published: str = ""  # what the system it reproduces was reported to reach
    body: str
    weights: str = "hub"
    drop_path: float = Field(default=0, ge=0, lt=1)
    image: Image = Image()
    augment: Augment = Augment()
    head: Head = Head()
    boxes: bool = False
    batch: int = Field(default=32, ge=1)
    loss: Loss = Loss()
    imbalance: Annotated[tuple[ImbalanceWord, ...], BeforeValidator(_as_words)] = ("none",)
    monitor: Literal["val_loss", "val_accuracy"] = "val_loss"
    precision: Literal["auto", "32", "16", "bf16"] = "auto"
    test_flip: bool = False
    stages: tuple[Stage, ...] = Field(min_length=1)

    @model_validator(mode="after")
    def _sound(self) -> "Recipe":
        names = [stage.name for stage in self.stages]
        if len(set(names)) != len(names):
            raise ValueError("two stages have the same name")
        if self.boxes and self.image.fit != "squash":
            raise ValueError("boxes need image.fit: squash")
        if self.boxes and any(stage.sees == "activations" for stage in self.stages):
            raise ValueError("boxes are found in pictures: no stage may see activations")
        if self.boxes and (self.augment.mixup or self.augment.cutmix):
            raise ValueError("boxes cannot be mixed: no mixup, no cutmix")
        if len({"balanced", "sqrt", "effective"} & set(self.imbalance)) > 1:
            raise ValueError("balanced, sqrt and effective are three kinds of the same weights: choose one")
        return self


def default_recipe(accelerated: bool) -> str:
    """What is trained with if nobody says."""
    return DEFAULT_WITH_ACCELERATOR if accelerated else DEFAULT_RECIPE


def recipe_names() -> list[str]:
    files = resources.files("train_adapter").joinpath("recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def recipe_text(name: str) -> str:
    """The YAML of a bundled recipe, or of a file of that path. Raises TrainingError."""
    if name in recipe_names():
        return resources.files("train_adapter").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    if name.endswith((".yaml", ".yml")) and Path(name).is_file():
        return Path(name).read_text(encoding="utf-8")
    raise TrainingError(
        f"there is no recipe {name!r}", hint=f"there are: {', '.join(recipe_names())}, or the path of a YAML file"
    )


def load_recipe(name: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe by name or path, with overrides such as `optimizer.lr=3e-4`. Raises TrainingError."""
    return parse_recipe(recipe_text(name), name, overrides)


def parse_recipe(text: str, where: str, overrides: Sequence[str] = ()) -> Recipe:
    """A recipe from YAML. Raises TrainingError that names each bad field."""
    try:
        raw = yaml.safe_load(text)
    except yaml.YAMLError as error:
        raise TrainingError(f"{where} is no YAML: {error}", hint="mend the line it names") from None
    if not isinstance(raw, dict):
        raise TrainingError(f"{where} makes no sense: it is no mapping", hint="carharvest recipes NAME shows one")
    raw = with_overrides(raw, overrides, frozenset(Recipe.model_fields) | set(_INHERITED))
    try:
        return Recipe.model_validate(_inherited(raw))
    except ValidationError as error:
        problems = "; ".join(
            f"{_place(raw, e['loc'])}: {e['msg'].removeprefix('Value error, ')}" for e in error.errors()
        )
        raise TrainingError(f"{where} makes no sense: {problems}", hint="mend those fields") from None


def _inherited(raw: Mapping[str, Any]) -> dict[str, Any]:
    """What stands at the top (optimizer, schedule, …) counts for each stage, where it says nothing else."""
    top = {key: value for key, value in raw.items() if key in _INHERITED}
    rest = {key: value for key, value in raw.items() if key not in _INHERITED}
    stages = rest.get("stages")
    if isinstance(stages, list):
        rest["stages"] = [_merged(top, stage) if isinstance(stage, dict) else stage for stage in stages]
    return rest


def _merged(below: Mapping[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    both = {**below, **above}
    for key, value in above.items():
        lower = below.get(key)
        if isinstance(value, dict) and isinstance(lower, dict):
            both[key] = _merged(lower, value)
    return both


def _place(raw: Mapping[str, Any], where: Sequence[int | str]) -> str:
    """`stages.2.epochs` as a person would say it: `stages.head.epochs`."""
    words = [str(word) for word in where]
    stages = raw.get("stages")
    if len(where) > 1 and where[0] == "stages" and isinstance(where[1], int) and isinstance(stages, list):
        stage = stages[where[1]]
        words[1] = str(stage.get("name", where[1])) if isinstance(stage, dict) else str(where[1])
    return ".".join(words) or "recipe"
