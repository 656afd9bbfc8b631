"""Recipes: training configurations in YAML files, checked before anything runs."""

from importlib import resources
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError

from train_adapter.errors import TrainingError

DEFAULT_RECIPE = "fast-cpu"


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Stage(_Section):
    """One fit. `trains` names what moves: the linear head, or the body's last block with it."""

    name: str = Field(pattern=r"^[a-z0-9-]+$")
    trains: Literal["head", "last-block"]
    epochs: int = Field(ge=1, le=1000)
    patience: int = Field(ge=1)  # epochs without a lower val loss before it stops
    head_lr: float = Field(gt=0)
    body_lr: float = Field(default=0.0, ge=0)
    weight_decay: float = Field(default=0.01, ge=0)


class Recipe(_Section):
    """A body, its weights, and the stages that train it. Sizes in pixels."""

    name: str
    summary: str
    body: str
    weights: Literal["lite0"]
    image_px: int = Field(ge=32, le=1024)
    batch: int = Field(ge=1)
    dropout: float = Field(ge=0, lt=1)
    label_smoothing: float = Field(ge=0, lt=1)
    stages: tuple[Stage, ...] = Field(min_length=1)


def recipe_names() -> list[str]:
    files = resources.files("train_adapter").joinpath("recipes").iterdir()
    return sorted(file.name.removesuffix(".yaml") for file in files if file.name.endswith(".yaml"))


def load_recipe(name: str) -> Recipe:
    """The bundled recipe of that name. Raises TrainingError."""
    if name not in recipe_names():
        raise TrainingError(f"there is no recipe {name!r}", hint=f"there are: {', '.join(recipe_names())}")
    text = resources.files("train_adapter").joinpath("recipes", f"{name}.yaml").read_text(encoding="utf-8")
    return parse_recipe(text, name)


def parse_recipe(text: str, where: str) -> Recipe:
    """A recipe from YAML. Raises TrainingError that names each bad field."""
    try:
        return Recipe.model_validate(yaml.safe_load(text))
    except yaml.YAMLError as error:
        raise TrainingError(f"{where} is no YAML: {error}", hint="mend the line it names") from None
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc'])) or 'recipe'}: {e['msg']}" for e in error.errors())
        raise TrainingError(f"{where} makes no sense: {problems}", hint="mend those fields") from None
