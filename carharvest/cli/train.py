"""carharvest train and recipes: the trainer is imported when it is needed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen
from carharvest.cli.trainer import Device, checked_name, moving, percent, split_folder, trainer
from carharvest.errors import ChecksFailed, Collapsed, Interrupted, NotFound

if TYPE_CHECKING:
    from carharvest.settings import Settings
    from train_adapter.leaks import Check

Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="FIELD=VALUE", help="Change a field of the recipe: optimizer.lr=3e-4. Repeatable."),
]
Weights = Annotated[
    str | None,
    typer.Option(
        help="What the body begins with: hub, lite0, lite1, lite2, scratch, or a file.", show_default="the recipe's"
    ),
]
RecipeName = Annotated[
    str | None,
    typer.Option(help="How to train; see carharvest recipes. Or a YAML file.", show_default="fast-cpu; best on a GPU"),
]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(train)
    app.command()(recipes)


def train(
    split: Annotated[str | None, typer.Option(help="Which split.", show_default="the newest")] = None,
    recipe: RecipeName = None,
    sets: Sets = None,
    weights: Weights = None,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Name of the run.", show_default="SPLIT-1, -2, …")
    ] = None,
    check: Annotated[
        bool, typer.Option("--check", help="Only look whether training can work: a minute or two.")
    ] = False,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run that has no result yet.")] = False,
    device: Device = "auto",
    workers: Annotated[
        int | None, typer.Option(min=0, help="Processes that prepare pictures.", show_default="0; up to 8 for a GPU")
    ] = None,
    despite_leaks: Annotated[
        bool, typer.Option("--despite-leaks", help="Train though parts of the split share photos.")
    ] = False,
    wandb: Annotated[bool, typer.Option("--wandb", help="Tell Weights & Biases too.")] = False,
    seed: Seed = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a classifier on a split; leaves the model, its scores and report.html in runs/NAME."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace, seed=seed)
    with trainer():
        from train_adapter.train import Options

        options = Options(device, workers, wandb, despite_leaks)
        chosen = [*(sets or []), *([f"weights={weights}"] if weights else [])]
        if check:
            run_checks(screen, settings, split=split, recipe=recipe, sets=chosen, options=options)
        else:
            run_train(
                screen, settings, split=split, recipe=recipe, sets=chosen, name=name, resume=resume, options=options
            )


def run_train(
    screen: Screen,
    settings: Settings,
    *,
    split: str | None = None,
    recipe: str | None = None,
    sets: list[str] | None = None,
    name: str | None = None,
    resume: bool = False,
    options: Any = None,
) -> tuple[dict[str, Any], Path]:
    """Trains and prints the scores. Gives them, and the path of the report."""
    from carharvest.catalog.runs import recorded_run
    from carharvest.catalog.store import open_catalog

    runs = settings.workspace / "runs"
    with trainer():
        from train_adapter import train as training
        from train_adapter.device import pick_device
        from train_adapter.recipe import default_recipe, load_recipe
        from train_adapter.run_folder import unfinished_runs

        options = options or training.Options()
        wanted = recipe or default_recipe(pick_device(options.device).accelerated)
        with open_catalog(settings.workspace) as catalog:
            if resume:
                folder, chosen, data = _resumed(runs, name, unfinished_runs(runs)), "", Path()
            else:
                chosen, data = split_folder(settings, split)
                folder = _fresh(runs, chosen, name)
            arguments = {"split": chosen, "recipe": wanted, "set": sets or [], "run": folder.name, "resume": resume}
            try:
                with recorded_run(catalog, "train", arguments, settings.seed) as run, screen.progress("train") as move:
                    result = training.train(
                        data,
                        load_recipe(wanted, sets or []),
                        folder,
                        cache=settings.workspace / "cache",
                        seed=settings.seed,
                        resume=resume,
                        options=options,
                        progress=moving(move),
                    )
                    run.counts.update({key: result[key] for key in ("test_accuracy", "macro_f1", "photos", "seconds")})
            except KeyboardInterrupt:
                raise Interrupted("stopped", hint="go on with: carharvest train --resume") from None
    report = folder / "report.html"
    if screen.as_json:
        screen.json(result)
    else:
        _tell(screen, result)
        screen.say(f"report: {report}")
    if collapse := result["collapsed"]:
        raise Collapsed(f"it learned nothing: {collapse['seen']}; {collapse['cause']}", hint=collapse["advice"])
    screen.hint(f"next: carharvest predict {folder.name} PHOTO…, carharvest explain {folder.name}")
    return result, report


def run_checks(
    screen: Screen, settings: Settings, *, split: str | None, recipe: str | None, sets: list[str], options: Any
) -> None:
    """Prints what each check saw. Raises ChecksFailed."""
    import tempfile

    from train_adapter.checks import thorough_checks
    from train_adapter.device import pick_device
    from train_adapter.recipe import default_recipe, load_recipe
    from train_adapter.run_folder import Settings as RunSettings
    from train_adapter.train import prepare

    chosen, data = split_folder(settings, split)
    wanted = load_recipe(recipe or default_recipe(pick_device(options.device).accelerated), sets)
    with tempfile.TemporaryDirectory() as nowhere, screen.progress("check") as move:
        network, job, checks = prepare(
            RunSettings(data, settings.seed, wanted),
            Path(nowhere),
            settings.workspace / "cache",
            options,
            progress=moving(move),
        )
        checks += thorough_checks(network, wanted, job.folder, job.pictures, settings.seed)
    _tell_checks(screen, f"check {wanted.name} on {chosen}", checks)
    if bad := [check for check in checks if not check.ok]:
        raise ChecksFailed(
            f"{len(bad)} of {len(checks)} checks failed: {', '.join(check.name for check in bad)}",
            hint="docs/training.md says what each of them means",
        )


def recipes(
    name: Annotated[str | None, typer.Argument(help="Show this one.", show_default="list all")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The recipes to train by: all, or one as YAML."""
    screen = Screen(quiet=quiet, as_json=as_json)
    with trainer():
        from train_adapter.recipe import load_recipe, recipe_names, recipe_text

        if name is not None:
            recipe = load_recipe(name)
            if as_json:
                screen.json(recipe.model_dump(mode="json"))
            else:
                print(recipe_text(name), end="")
            return
        found = [load_recipe(each) for each in recipe_names()]
    if as_json:
        screen.json([recipe.model_dump(mode="json") for recipe in found])
        return
    rows = [
        (
            r.name,
            r.body.partition(".")[0],
            r.weights,
            r.image.px,
            sum(s.epochs for s in r.stages),
            " ".join(r.summary.split()).partition(". ")[0].rstrip("."),
        )
        for r in found
    ]
    screen.table("recipes", ["recipe", "body", "weights", "px", "epochs", "summary"], rows)
    screen.hint("carharvest recipes NAME shows one; carharvest train --recipe NAME --set FIELD=VALUE")


def _fresh(runs: Path, split: str, name: str | None) -> Path:
    if name is not None:
        return runs / checked_name(name)
    number = 1
    while (runs / f"{split}-{number}").exists():
        number += 1
    return runs / f"{split}-{number}"


def _resumed(runs: Path, name: str | None, unfinished: list[Path]) -> Path:
    if name is not None:
        return runs / checked_name(name)
    if not unfinished:
        raise NotFound("there is no interrupted run to go on with", hint="start one with: carharvest train")
    return unfinished[-1]


def _tell(screen: Screen, result: dict[str, Any]) -> None:
    photos = result["photos"]
    low, high = result["test_accuracy_interval"]
    rows = [
        ("recipe", result["recipe"]),
        ("test accuracy", f"{percent(result['test_accuracy'])} ({100 * low:.1f} to {100 * high:.1f})"),
        ("macro F1", f"{result['macro_f1']:.3f}"),
        ("val accuracy", percent(result["val_accuracy"])),
        *([("IoU of boxes", f"{result['test_iou']:.2f}")] if result["test_iou"] is not None else []),
        ("photos train/val/test", f"{photos['train']:,} / {photos['val']:,} / {photos['test']:,}"),
        ("classes", f"{len(result['classes'])}"),
        ("best stage", result["best_stage"]),
        ("seconds", f"{result['seconds']:.0f}"),
    ]
    screen.table(f"run {result['name']}", ["", ""], rows)
    for check in result["checks"]:
        if not check["ok"]:
            screen.warn(f"{check['name']}: {check['told']}")


def _tell_checks(screen: Screen, title: str, checks: list[Check]) -> None:
    if screen.as_json:
        from dataclasses import asdict

        screen.json([asdict(check) for check in checks])
    else:
        screen.table(title, ["check", "", "what was seen"], [(c.name, "✓" if c.ok else "✗", c.told) for c in checks])
