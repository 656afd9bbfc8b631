"""`--set optimizer.lr=3e-4`: fields of a recipe, by path."""

from collections.abc import Iterator, Sequence
from copy import deepcopy
from typing import Any

import yaml

from train_adapter.errors import TrainingError


def with_overrides(raw: dict[str, Any], overrides: Sequence[str], fields: frozenset[str]) -> dict[str, Any]:
    """The mapping with `path=value` set, each value read as YAML.

    Stages go by name (`stages.head.epochs=3`), `*` is each of them. Raises TrainingError for a path that leads nowhere,
    and for one that no stage would take notice of.
    """
    changed = deepcopy(raw)
    for override in overrides:
        path, equals, text = override.partition("=")
        keys = path.strip().split(".")
        if not equals or not all(keys):
            raise TrainingError(f"{override!r} sets nothing", hint="write it like optimizer.lr=3e-4")
        if keys[0] not in fields:
            raise TrainingError(f"a recipe has no field {keys[0]!r}", hint=f"it has: {', '.join(sorted(fields))}")
        _must_count(changed, keys, path)
        for place in _places(changed, keys[:-1], path):
            place[keys[-1]] = _value(text, override)
    return changed


def _value(text: str, override: str) -> Any:
    try:
        value = yaml.safe_load(text)
    except yaml.YAMLError:
        raise TrainingError(f"the value of {override!r} is no YAML", hint="write it like optimizer.lr=3e-4") from None
    if isinstance(value, str):
        try:
            return float(value)  # YAML 1.1 takes 3e-4 for a text
        except ValueError:
            return value
    return value


def _places(raw: dict[str, Any], keys: Sequence[str], path: str) -> Iterator[dict[str, Any]]:
    if not keys:
        yield raw
        return
    inner = raw.setdefault(keys[0], {})
    if isinstance(inner, dict):
        yield from _places(inner, keys[1:], path)
        return
    named = (
        [stage for stage in inner if len(keys) > 1 and keys[1] in ("*", stage.get("name"))]
        if isinstance(inner, list)
        else []
    )
    if not named:
        names = ", ".join(str(s.get("name")) for s in inner) if isinstance(inner, list) else ""
        raise TrainingError(
            f"{path} leads nowhere",
            hint=f"the stages are: {names}; * is each of them" if names else "see carharvest recipes",
        )
    for stage in named:
        yield from _places(stage, keys[2:], path)


def _must_count(raw: dict[str, Any], keys: Sequence[str], path: str) -> None:
    """What every stage says for itself has no effect at the top, and silence about it would be a lie."""
    stages = raw.get("stages") or []
    if keys[0] == "stages" or not stages:
        return
    if all(_has(stage, keys) for stage in stages if isinstance(stage, dict)):
        raise TrainingError(
            f"each stage of this recipe has its own {path}", hint=f"--set stages.*.{path}=… is all of them"
        )


def _has(mapping: Any, keys: Sequence[str]) -> bool:
    for key in keys:
        if not isinstance(mapping, dict) or key not in mapping:
            return False
        mapping = mapping[key]
    return True
