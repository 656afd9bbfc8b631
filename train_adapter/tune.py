"""Looks for better numbers for a recipe: Optuna over train and val. Test is not looked at."""

import csv
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import yaml

from train_adapter import plots
from train_adapter.errors import MissingPackage, TrainingError
from train_adapter.fit import best_of, fit
from train_adapter.progress import Progress, silent
from train_adapter.recipe import Recipe, parse_recipe
from train_adapter.run_folder import Settings
from train_adapter.space import Range, default_space, parse_ranges
from train_adapter.train import Options, prepare

_STUDY = "carharvest"


@dataclass(frozen=True, slots=True)
class Tuning:
    """What to try. `text` is the recipe's YAML; `vary` are ranges such as `optimizer.lr=log:1e-5..1e-2`."""

    data: Path
    text: str
    overrides: tuple[str, ...]
    vary: tuple[str, ...]
    trials: int
    sampler: Literal["random", "tpe"]
    seed: int


@dataclass(frozen=True, slots=True)
class Tuned:
    """What a study found, over all of its sittings. `table` has a row a trial, the best first."""

    monitor: str
    best_value: float
    as_it_is: float | None
    best: Mapping[str, Any]
    table: tuple[Mapping[str, Any], ...]
    folder: Path


def tune(
    plan: Tuning, folder: Path, *, cache: Path, options: Options | None = None, progress: Progress = silent
) -> Tuned:
    """Goes on with the study in `folder` until it has `trials` trials, and leaves trials.csv, tune.png and best.yaml.

    The first trial is the recipe as it is. Raises TrainingError, MissingPackage without optuna.
    """
    optuna = _optuna()
    recipe = parse_recipe(plan.text, "the recipe", plan.overrides)
    ranges = parse_ranges(plan.vary) if plan.vary else default_space(plan.text)
    direction = "minimize" if recipe.monitor == "val_loss" else "maximize"
    folder.mkdir(parents=True, exist_ok=True)
    storage = f"sqlite:///{(folder / 'study.db').absolute()}"
    known = optuna.create_study(
        storage=storage,
        study_name=_STUDY,
        direction=direction,
        load_if_exists=True,
        sampler=optuna.samplers.RandomSampler(),
    )
    _same_as_before(known, plan, ranges)
    for trial in known.get_trials(deepcopy=False, states=[optuna.trial.TrialState.RUNNING]):
        known.tell(trial.number, state=optuna.trial.TrialState.FAIL)  # it was interrupted
    done = sum(trial.state.is_finished() and trial.state.name != "FAIL" for trial in known.trials)
    seed = plan.seed + len(known.trials)  # or each sitting would draw the same again
    kinds = {"random": optuna.samplers.RandomSampler, "tpe": optuna.samplers.TPESampler}
    study = optuna.load_study(
        storage=storage,
        study_name=_STUDY,
        sampler=kinds[plan.sampler](seed=seed),
        pruner=optuna.pruners.MedianPruner(n_startup_trials=4),
    )
    if not done:
        study.enqueue_trial(_as_it_is(recipe, ranges), skip_if_exists=True)

    def objective(trial: Any) -> float:
        chosen = {path: found.suggest(trial, path) for path, found in ranges.items()}
        progress(f"trial {trial.number + 1}", trial.number, plan.trials)
        return _tried(plan, chosen, folder / "trial", cache, options or Options(), trial, progress)

    study.optimize(objective, n_trials=max(0, plan.trials - done))
    return _leave(study, recipe, plan, folder)


def _tried(
    plan: Tuning,
    chosen: Mapping[str, Any],
    run: Path,
    cache: Path,
    options: Options,
    trial: Any,
    progress: Progress,
) -> float:
    """The best value on val of one trial. Raises optuna's TrialPruned."""
    optuna = _optuna()
    recipe = _with(plan, chosen)
    shutil.rmtree(run, ignore_errors=True)
    epochs = 0

    def on_epoch(seen: dict[str, float]) -> None:
        nonlocal epochs
        trial.report(seen[recipe.monitor], epochs)
        epochs += 1
        if trial.should_prune():
            raise optuna.TrialPruned

    try:
        settings = Settings(plan.data, plan.seed, recipe)
        network, job, _ = prepare(settings, run, cache, options, progress=progress, on_epoch=on_epoch)
        return best_of(fit(network, job), recipe).best
    finally:
        shutil.rmtree(run, ignore_errors=True)


def _with(plan: Tuning, chosen: Mapping[str, Any]) -> Recipe:
    sets = [*plan.overrides, *(f"{path}={value!r}" for path, value in chosen.items())]
    return parse_recipe(plan.text, "the recipe", sets)


def _as_it_is(recipe: Recipe, ranges: Mapping[str, Range]) -> dict[str, Any]:
    """The recipe's own values, where they lie in the ranges; Optuna draws the others."""
    found = {}
    for path, limits in ranges.items():
        value = limits.in_recipe(recipe.model_dump(), path)
        if value is not None and limits.holds(value):
            found[path] = value
    return found


def _same_as_before(study: Any, plan: Tuning, ranges: Mapping[str, Range]) -> None:
    """Trials of another recipe, split or range cannot be compared."""
    now = {
        "data": str(plan.data.absolute()),
        "recipe": parse_recipe(plan.text, "the recipe", plan.overrides).model_dump(mode="json"),
        "ranges": {path: str(limits) for path, limits in ranges.items()},
        "seed": plan.seed,
    }
    before = study.user_attrs.get("plan")
    if before is None:
        study.set_user_attr("plan", now)
    elif before != now:
        odd = ", ".join(key for key, value in now.items() if before.get(key) != value)
        raise TrainingError(
            f"the study was begun with another {odd}", hint="go on as it was begun, or choose another --name"
        )


def _leave(study: Any, recipe: Recipe, plan: Tuning, folder: Path) -> Tuned:
    finished = [trial for trial in study.trials if trial.value is not None and trial.state.name == "COMPLETE"]
    if not finished:
        raise TrainingError("no trial came to its end", hint="try more trials, or narrower ranges")
    sign = 1 if recipe.monitor == "val_loss" else -1
    rows: list[dict[str, Any]] = [
        {
            "trial": trial.number + 1,
            "state": trial.state.name.lower(),
            recipe.monitor: trial.value,
            "seconds": round((trial.datetime_complete - trial.datetime_start).total_seconds(), 1),
            **trial.params,
        }
        for trial in study.trials
        if trial.state.is_finished() and trial.datetime_complete and trial.datetime_start
    ]
    rows.sort(
        key=lambda row: (
            row["state"] != "complete",
            sign * row[recipe.monitor] if row[recipe.monitor] is not None else 0,
        )
    )
    with (folder / "trials.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, table_columns(rows))
        writer.writeheader()
        writer.writerows(rows)
    (folder / "tune.png").write_bytes(plots.tuning(rows, recipe.monitor))
    best = _with(plan, study.best_params).model_dump(mode="json")
    best["summary"] = f"{recipe.name} with the best of {len(rows)} trials of carharvest tune."
    best["name"] = f"{recipe.name}-tuned"
    (folder / "best.yaml").write_text(yaml.safe_dump(best, sort_keys=False, allow_unicode=True), encoding="utf-8")
    first = study.trials[0]
    as_it_is = first.value if first.state.name == "COMPLETE" else None
    return Tuned(recipe.monitor, study.best_value, as_it_is, study.best_params, tuple(rows), folder)


def _optuna() -> Any:
    try:
        import optuna
    except ModuleNotFoundError:
        raise MissingPackage("tune needs the package optuna", hint='pip install "carharvest[tune]"') from None
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    return optuna


def table_columns(rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The columns of a study's table, in order."""
    return list(dict.fromkeys(key for row in rows for key in row))
