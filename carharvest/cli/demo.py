"""carharvest demo: the whole way on the sample gallery."""

from __future__ import annotations

import time
import webbrowser
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet
from carharvest.cli.screen import Screen

_WORKSPACE = Path("datasets/demo")  # apart from the real photos


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(demo)


def demo(
    photos: Annotated[
        int | None, typer.Option(min=120, help="How many photos the gallery has.", show_default="834")
    ] = None,
    open_report: Annotated[bool, typer.Option("--open", help="Open the report in a browser.")] = False,
    workspace: Annotated[Path, typer.Option("--workspace", "-w", help="Folder that holds all state.")] = _WORKSPACE,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Scrape, normalize, split and train on the bundled sample gallery; needs no key and no network."""
    from carharvest.cli.curate import run_normalize
    from carharvest.cli.scrape import scrape_sample
    from carharvest.cli.split import DEFAULT_NAME, run_split
    from carharvest.cli.train import run_train
    from carharvest.settings import load_settings
    from carharvest.splits.plan import SplitPlan
    from carharvest.splits.render import Rendering

    started = time.monotonic()
    screen = Screen(quiet=quiet, as_json=as_json)
    steps = Screen(quiet=quiet, hints=False, aside=as_json)  # hints are for people who type the commands one by one
    settings = load_settings(workspace=workspace)
    screen.say("1/4 scrape: cars drawn for the demo, served on loopback as Pexels serves photos")
    scrape_sample(steps, settings, photos=photos)
    screen.say("2/4 normalize: what each photo shows, and which ones to drop")
    run_normalize(steps, settings)
    screen.say("3/4 split")
    shares = settings.split
    plan = SplitPlan(settings.seed, shares.train, shares.val, shares.test)
    run_split(steps, settings, DEFAULT_NAME, plan, Rendering(), mode="replace")
    screen.say("4/4 train")
    result, report = run_train(steps, settings, split=DEFAULT_NAME, recipe="fast-cpu")
    seconds = time.monotonic() - started
    if as_json:
        screen.json({**result, "report": str(report.absolute()), "demo_seconds": round(seconds, 1)})
    screen.say(f"done in {seconds:.0f} s; look at {report.absolute()}")
    screen.hint(f"and ask: carharvest status --workspace {workspace}")
    if open_report:
        webbrowser.open(report.absolute().as_uri())
