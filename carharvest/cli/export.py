"""carharvest split export: a split in the form that other tools read."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Copy, CropTo, Debug, Json, Margin, Quiet, Resize, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import BadSettings, EmptyResult


class FormName(StrEnum):
    """Forms of data sets."""

    imagefolder = "imagefolder"
    webdataset = "webdataset"
    huggingface = "huggingface"
    coco = "coco"
    yolo = "yolo"
    parquet = "parquet"


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(export)


def export(
    form: Annotated[FormName, typer.Argument(help="The form.", show_choices=True)],
    name: Annotated[str, typer.Argument(help="The split.")] = "default",
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="Folder to write.", show_default="./NAME-FORM")
    ] = None,
    resize: Resize = None,
    crop: CropTo = None,
    margin: Margin = None,
    copy: Copy = False,
    replace: Annotated[bool, typer.Option("--replace", help="Write over an export that is there.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a split as an ImageFolder, WebDataset, Hugging Face imagefolder, COCO, YOLO or Parquet table.

    Each has a data set card (README.md), the credits of its photos (ATTRIBUTION.csv) and photos.jsonl beside it.
    """
    from carharvest.blobs import BlobStore
    from carharvest.catalog.placements import origins
    from carharvest.catalog.runs import recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.settings import load_settings
    from carharvest.splits.export import Export, is_own, write_export
    from carharvest.splits.forms import FORMS, OF_BOXES
    from carharvest.splits.make import curation_of, placed_in, stored_plan
    from carharvest.splits.plan import SplitPlan
    from carharvest.splits.render import Rendering

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    target = output or Path(f"{name}-{form.value}")
    if target.exists() and not (replace and is_own(target)):
        raise BadSettings(
            f"{target} is there already" + ("" if is_own(target) else ", and no export of carharvest"),
            hint="name another --output" + (", or write over it with --replace" if is_own(target) else ""),
        )
    with open_catalog(settings.workspace) as catalog:
        plan, _ = stored_plan(catalog, name) or (SplitPlan(settings.seed), None)
        everyone = placed_in(catalog, name, plan)
        placed = [p for p in everyone if p.photo.boxes] if crop else everyone
        if not placed:
            raise EmptyResult("no photo of it has a box to cut to", hint="carharvest import brings some")
        rendering = Rendering(
            resize, crop is not None, 0.1 if margin is None else margin, upright=form.value in OF_BOXES, links=not copy
        )
        what = Export(
            name, plan, rendering, placed, BlobStore(settings.workspace / "blobs"),
            partial(origins, catalog), curation_of(catalog),
        )  # fmt: skip
        arguments = {"form": form.value, "split": name, **asdict(rendering)}
        with (
            recorded_run(catalog, "split export", arguments, plan.seed) as run,
            screen.progress(f"write {target.name}", total=len(placed)) as move,
        ):
            found = write_export(target, what, FORMS[form.value], progress=move)
            run.counts.update(asdict(found))
    boxes = sum(len(p.photo.boxes) for p in placed)
    if as_json:
        screen.json({"path": str(target), "form": form.value, "photos": len(placed), "boxes": boxes, **asdict(found)})
        return
    made = ", ".join(f"{count:,} {how}" for how, count in asdict(found).items() if count)
    screen.say(f"{target}: {len(placed):,} photos" + (f", {made}" if made else "") + f", {boxes:,} boxes")
    if len(placed) < len(everyone):
        screen.say(f"left out: {len(everyone) - len(placed):,} photos have no box to cut to")
    if form.value in OF_BOXES and not boxes:
        screen.warn("no photo has a box: carharvest import brings some")
    screen.hint(f"look at {target / 'README.md'}; whom to credit stands in {target / 'ATTRIBUTION.csv'}")
