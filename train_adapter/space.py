"""What `tune` may vary: ranges of fields of a recipe."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import yaml

from train_adapter.errors import TrainingError

_AROUND = 8.0  # a rate is looked for from an eighth to eight times of the recipe's


@dataclass(frozen=True, slots=True)
class Range:
    """Numbers from `low` to `high`, by their logarithm if `log`, whole if `whole`; or one of `choices`."""

    low: float = 0.0
    high: float = 0.0
    log: bool = False
    whole: bool = False
    choices: tuple[Any, ...] = ()

    def suggest(self, trial: Any, path: str) -> Any:
        """A value, by Optuna's trial."""
        if self.choices:
            return trial.suggest_categorical(path, list(self.choices))
        if self.whole:
            return trial.suggest_int(path, int(self.low), int(self.high), log=self.log)
        return trial.suggest_float(path, self.low, self.high, log=self.log)

    def holds(self, value: Any) -> bool:
        if self.choices:
            return value in self.choices
        return isinstance(value, int | float) and self.low <= value <= self.high

    def in_recipe(self, recipe: Mapping[str, Any], path: str) -> Any:
        """What a recipe has at a path; of several stages what they agree on, or None."""
        found: list[Any] = [recipe]
        for key in path.split("."):
            deeper: list[Any] = []
            for place in found:
                if isinstance(place, dict) and key in place:
                    deeper.append(place[key])
                elif isinstance(place, dict) and place is recipe and "stages" in place:
                    deeper += [stage[key] for stage in place["stages"] if key in stage]
                elif isinstance(place, list | tuple):
                    deeper += [stage for stage in place if key in ("*", stage.get("name"))]
            found = deeper
        return found[0] if found and all(value == found[0] for value in found) else None


def parse_ranges(texts: Sequence[str]) -> dict[str, Range]:
    """`optimizer.lr=log:1e-5..1e-2`, `head.dropout=0..0.5`, `batch=16|32|64`, `stages.all.epochs=int:5..20`.

    Raises TrainingError.
    """
    found = {}
    for text in texts:
        path, _, wanted = text.partition("=")
        try:
            if not path or not wanted:
                raise ValueError
            if "|" in wanted:
                found[path] = Range(choices=tuple(yaml.safe_load(choice) for choice in wanted.split("|")))
                continue
            kind, _, limits = wanted.rpartition(":")
            low, _, high = limits.partition("..")
            found[path] = Range(float(low), float(high), log=kind == "log", whole=kind == "int")
            if (
                kind not in ("", "log", "int")
                or not found[path].low < found[path].high
                or (kind == "log" and found[path].low <= 0)
            ):
                raise ValueError
        except (ValueError, yaml.YAMLError):
            raise TrainingError(
                f"{text!r} is no range", hint="write optimizer.lr=log:1e-5..1e-2, head.dropout=0..0.5 or batch=16|32|64"
            ) from None
    return found


def default_space(text: str) -> dict[str, Range]:
    """The rate of each stage, weight decay, dropout and label smoothing."""
    raw: dict[str, Any] = yaml.safe_load(text)
    space = {}
    for stage in raw.get("stages", []):
        lr = (stage.get("optimizer") or {}).get("lr")
        if lr:
            space[f"stages.{stage['name']}.optimizer.lr"] = Range(lr / _AROUND, lr * _AROUND, log=True)
    lr = (raw.get("optimizer") or {}).get("lr")
    if lr:
        space["optimizer.lr"] = Range(lr / _AROUND, lr * _AROUND, log=True)
    space["optimizer.weight_decay"] = Range(1e-5, 0.3, log=True)
    space["head.dropout"] = Range(0.0, 0.6)
    space["loss.label_smoothing"] = Range(0.0, 0.2)
    return space
