"""carharvest attribution: the credits of the photos that are kept."""

from __future__ import annotations

from dataclasses import asdict
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import EmptyResult


class Form(StrEnum):
    """How the credits are written."""

    text = "text"
    csv = "csv"
    html = "html"


_OF_SUFFIX = {".csv": Form.csv, ".html": Form.html, ".htm": Form.html}


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(attribution)


def attribution(
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="File to write.", show_default="standard output")
    ] = None,
    form: Annotated[
        Form | None, typer.Option("--format", help="How to write it.", show_default="by the file's name, else text")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Whom to credit for each photo that is kept: author, licence, page, and what sources want to be said."""
    from carharvest.catalog.placements import kept_photos, origins
    from carharvest.catalog.store import open_catalog
    from carharvest.settings import load_settings
    from carharvest.splits.attribution import as_html, as_table, as_text, credits_of

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with open_catalog(settings.workspace) as catalog:
        photos = kept_photos(catalog)
        told = origins(catalog, [photo.id for photo in photos])
    if not photos:
        raise EmptyResult("no photo is kept", hint="carharvest normalize, then carharvest status")
    credits_ = credits_of(((f"{photo.file_name}.{photo.ext}", photo) for photo in photos), told)
    chosen = form or (_OF_SUFFIX.get(output.suffix.lower(), Form.text) if output else Form.text)
    if as_json:
        screen.json([asdict(credit) for credit in credits_])
        return
    match chosen:
        case Form.text:
            written = as_text(credits_)
        case Form.csv:
            written = as_table(credits_).to_csv(index=False)
        case Form.html:
            written = as_html(credits_)
    if output is None:
        print(written, end="")
    else:
        output.write_text(written, encoding="utf-8")
        screen.say(f"{len(credits_):,} credits in {output}")
    without = sum(not credit.license for credit in credits_)
    if without:
        screen.warn(f"the licence of {without:,} of {len(credits_):,} photos is unknown")
