"""carharvest tune: better numbers for a recipe."""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen
from carharvest.cli.train import RecipeName, Sets
from carharvest.cli.trainer import Device, checked_name, moving, split_folder, trainer
from carharvest.errors import Interrupted


class Sampler(StrEnum):
    """How numbers are drawn."""

    random = "random"
    tpe = "tpe"


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(tune)


def tune(
    split: Annotated[str | None, typer.Option(help="Which split.", show_default="the newest")] = None,
    recipe: RecipeName = None,
    sets: Sets = None,
    vary: Annotated[
        list[str] | None,
        typer.Option(
            metavar="FIELD=RANGE",
            help="What to vary: optimizer.lr=log:1e-5..1e-2, head.dropout=0..0.5, batch=16|32|64. Repeatable.",
            show_default="rates, weight decay, dropout, label smoothing",
        ),
    ] = None,
    trials: Annotated[int, typer.Option(min=1, help="How many in all; those of earlier sittings count.")] = 20,
    sampler: Annotated[
        Sampler, typer.Option(help="Draw at random, or where earlier trials were good.")
    ] = Sampler.random,
    name: Annotated[
        str | None, typer.Option("--name", "-n", help="Name of the study.", show_default="SPLIT-RECIPE")
    ] = None,
    device: Device = "auto",
    seed: Seed = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Try numbers for a recipe on train and val, drop hopeless trials early; the same command goes on."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace, seed=seed)
    chosen, data = split_folder(settings, split)
    with trainer():
        from train_adapter.device import pick_device
        from train_adapter.recipe import default_recipe, recipe_text
        from train_adapter.train import Options
        from train_adapter.tune import Tuning, table_columns
        from train_adapter.tune import tune as tuned

        wanted = recipe or default_recipe(pick_device(device).accelerated)
        text = recipe_text(wanted)
        plain = wanted.replace("\\", "/").rpartition("/")[2].partition(".")[0]
        folder = settings.workspace / "tune" / checked_name(name or f"{chosen}-{plain}")
        plan = Tuning(data, text, tuple(sets or []), tuple(vary or []), trials, sampler.value, settings.seed)
        try:
            with screen.progress("tune") as move:
                found = tuned(
                    plan, folder, cache=settings.workspace / "cache", options=Options(device), progress=moving(move)
                )
        except KeyboardInterrupt:
            raise Interrupted("stopped", hint="the same command goes on") from None
    if as_json:
        screen.json(
            {"monitor": found.monitor, "best_value": found.best_value, "best": found.best, "trials": found.table}
        )
    else:
        columns = table_columns(found.table)
        rows = [[_short(row.get(column)) for column in columns] for row in found.table[:20]]
        screen.table(f"tune {wanted} on {chosen}", columns, rows)
        if found.as_it_is is not None:
            screen.say(f"best {found.monitor} {found.best_value:.4f}; the recipe as it is: {found.as_it_is:.4f}")
        screen.say(f"plot: {folder / 'tune.png'}")
    screen.hint(f"next: carharvest train --recipe {folder / 'best.yaml'}")


def _short(value: object) -> object:
    """Rates are small: three decimals of a table would show zeros."""
    return f"{value:.4g}" if isinstance(value, float) else "" if value is None else value
