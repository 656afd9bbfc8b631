"""carharvest train and predict: the only tie to the trainer, imported when it is needed."""

from __future__ import annotations

import glob
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import BadSettings, CarharvestError, Interrupted, MissingExtra, NotFound, OneClass

if TYPE_CHECKING:
    from carharvest.settings import Settings

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(train)
    app.command()(predict)


def train(
    split: Annotated[str | None, typer.Option(help="Which split.", show_default="the newest")] = None,
    recipe: Annotated[str, typer.Option(help="How to train.")] = "fast-cpu",
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Name of the run.", show_default="SPLIT-1, -2, …")
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on with the newest run that has no result yet.")] = False,
    seed: Seed = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Train a classifier on a split; leaves the model, its scores and report.html in runs/NAME."""
    from carharvest.settings import load_settings

    run_train(
        Screen(quiet=quiet, as_json=as_json),
        load_settings(workspace=workspace, seed=seed),
        split=split,
        recipe=recipe,
        name=name,
        resume=resume,
    )


def run_train(
    screen: Screen, settings: Settings, *, split: str | None, recipe: str, name: str | None, resume: bool
) -> tuple[dict[str, Any], Path]:
    """Trains and prints the scores. Gives them, and the path of the report."""
    from carharvest.catalog.placements import newest_split
    from carharvest.catalog.runs import recorded_run
    from carharvest.catalog.store import open_catalog

    runs = settings.workspace / "runs"
    with open_catalog(settings.workspace) as catalog:
        chosen = split or newest_split(catalog)
        if chosen is None:
            raise NotFound("there is no split to train on", hint="run: carharvest split")
        data = settings.workspace / "splits" / chosen
        with _trainer():
            from train_adapter import train as trainer
            from train_adapter.recipe import load_recipe

            run_folder = _resumed(runs, name, trainer.unfinished_runs(runs)) if resume else _fresh(runs, chosen, name)
            arguments = {"split": chosen, "recipe": recipe, "run": run_folder.name, "resume": resume}
            try:
                with recorded_run(catalog, "train", arguments, settings.seed) as run, screen.progress("train") as move:
                    result = trainer.train(
                        data,
                        load_recipe(recipe),
                        run_folder,
                        cache=settings.workspace / "cache",
                        seed=settings.seed,
                        resume=resume,
                        progress=lambda what, done, total: move(done, total=total, text=what),
                    )
                    run.counts.update({key: result[key] for key in ("test_accuracy", "macro_f1", "photos", "seconds")})
            except KeyboardInterrupt:
                raise Interrupted("stopped", hint="go on with: carharvest train --resume") from None
    report = run_folder / "report.html"
    if screen.as_json:
        screen.json(result)
    else:
        _tell(screen, result)
        screen.say(f"report: {report}")
    screen.hint(f"next: carharvest predict {run_folder} PHOTO…")
    return result, report


def predict(
    model: Annotated[str, typer.Argument(help="A run's name, its folder, or its model.safetensors.")],
    photos: Annotated[list[str], typer.Argument(help="Photos, folders or patterns.")],
    top: Annotated[int, typer.Option(min=1, help="How many brands to show for each photo.")] = 3,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say which brand photos show, with probabilities."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    files = _photo_files(photos)
    in_runs = settings.workspace / "runs" / model
    where = in_runs if not Path(model).exists() and in_runs.is_dir() else Path(model)
    with _trainer():
        from train_adapter.predict import load_trained

        trained = load_trained(where)
        with screen.progress("predict", total=len(files)) as move:
            try:
                predictions = trained.predict(files, lambda what, done, total: move(done, total=total))
            except OSError as error:
                raise NotFound(f"not a picture: {error}", hint="name photos that open in a viewer") from error
    if as_json:
        screen.json(
            [
                {"photo": str(p.file), "brands": [{"brand": b, "probability": round(v, 6)} for b, v in p.ranking[:top]]}
                for p in predictions
            ]
        )
        return
    rows = [
        (p.file, *(cell for brand, value in p.ranking[:top] for cell in (brand, f"{100 * value:.1f} %")))
        for p in predictions
    ]
    shown = min(top, len(trained.classes))
    columns = ["photo", *(c for i in range(shown) for c in ("brand" if i == 0 else f"{i + 1}.", ""))]
    screen.table("predict", columns, rows)


@contextmanager
def _trainer() -> Iterator[None]:
    """Errors of the trainer in our terms; packages that are not there become the command that installs them."""
    try:
        import train_adapter.errors
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"carharvest", "train_adapter"}:
            raise
        raise _missing(error) from error
    except train_adapter.errors.TrainingError as error:
        kind = OneClass if error.one_class else CarharvestError
        raise kind(str(error), hint=error.hint) from error


def _missing(error: ModuleNotFoundError) -> MissingExtra:
    return MissingExtra(f"training needs the package {error.name}", hint='pip install "carharvest[train]"')


def _fresh(runs: Path, split: str, name: str | None) -> Path:
    if name is not None:
        if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
            raise BadSettings(
                f"{name!r} is no name for a run", hint="use letters, digits, dots, dashes and underscores"
            )
        return runs / name
    number = 1
    while (runs / f"{split}-{number}").exists():
        number += 1
    return runs / f"{split}-{number}"


def _resumed(runs: Path, name: str | None, unfinished: list[Path]) -> Path:
    if name is not None:
        return runs / name
    if not unfinished:
        raise NotFound("there is no interrupted run to go on with", hint="start one with: carharvest train")
    return unfinished[-1]


def _photo_files(photos: list[str]) -> tuple[Path, ...]:
    files: list[Path] = []
    for given in photos:
        path = Path(given)
        if path.is_dir():
            files += sorted(f for f in path.rglob("*") if f.suffix.lower() in _PICTURES)
        elif path.is_file():
            files.append(path)
        else:
            found = sorted(Path(match) for match in glob.glob(given, recursive=True))  # noqa: PTH207  also absolute patterns
            if not found:
                raise NotFound(f"there is no photo {given!r}", hint="name a file, a folder or a pattern")
            files += found
    if not files:
        raise NotFound("there is no photo to predict", hint="name a file, a folder or a pattern")
    return tuple(files)


def _tell(screen: Screen, result: dict[str, Any]) -> None:
    photos = result["photos"]
    rows = [
        ("test accuracy", f"{100 * result['test_accuracy']:.1f} %"),
        ("macro F1", f"{result['macro_f1']:.3f}"),
        ("val accuracy", f"{100 * result['val_accuracy']:.1f} %"),
        ("photos train/val/test", f"{photos['train']:,} / {photos['val']:,} / {photos['test']:,}"),
        ("brands", f"{len(result['classes'])}"),
        ("best stage", result["best_stage"]),
        ("seconds", f"{result['seconds']:.0f}"),
    ]
    screen.table(f"run {result['name']}", ["", ""], rows)
