"""carharvest keep, drop and label: a person's word on a photo, which outranks every stage."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, ViewChoice, Workspace
from carharvest.cli.photos import HELP, find_photos
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from carharvest.catalog.store import Catalog

Photos = Annotated[list[str], typer.Argument(help=HELP)]
Note = Annotated[str, typer.Option("--note", help="Why; carharvest why shows it.")]
Undo = Annotated[bool, typer.Option("--undo", help="Take back all that was said by hand of these photos.")]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(keep)
    app.command()(drop)
    app.command()(label)


def keep(
    photos: Photos,
    note: Note = "",
    undo: Undo = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Keep photos, whatever the stages say."""
    _judge(Screen(quiet=quiet, as_json=as_json), workspace, photos, keep=True, note=note, undo=undo)


def drop(
    photos: Photos,
    note: Note = "",
    undo: Undo = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Drop photos, whatever the stages say. Nothing is deleted."""
    _judge(Screen(quiet=quiet, as_json=as_json), workspace, photos, keep=False, note=note, undo=undo)


def label(
    photos: Photos,
    brand: Annotated[str | None, typer.Option("--brand", "-b", help="The brand that they show, by any name.")] = None,
    view: Annotated[ViewChoice | None, typer.Option("--view", help="The side that they show.")] = None,
    note: Note = "",
    undo: Undo = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say which brand or view photos show; what stages say of it no longer counts."""
    from carharvest.brands import load_brands
    from carharvest.catalog import person
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    if undo:
        _judge(screen, workspace, photos, keep=True, note=note, undo=True)
        return
    if brand is None and view is None:
        raise typer.BadParameter("say what the photos show: --brand or --view, or --undo")
    settings = load_settings(workspace=workspace)
    key = load_brands(settings.brand_mapping).resolve(brand).key if brand is not None else None
    with _writing(settings.workspace, "label") as catalog:
        ids = _photo_ids(catalog, photos)
        if key is not None:
            person.name(catalog, ids, "brand", key, note=note)
        if view is not None:
            person.name(catalog, ids, "view", view.value, note=note)
    said = " and ".join(word for word in (key, view.value if view else None) if word)
    _tell(screen, len(ids), f"labelled {said}")


def _judge(screen: Screen, workspace: Path | None, photos: list[str], *, keep: bool, note: str, undo: bool) -> None:
    from carharvest.catalog import person
    from carharvest.settings import load_settings

    settings = load_settings(workspace=workspace)
    with _writing(settings.workspace, "keep" if keep else "drop") as catalog:
        ids = _photo_ids(catalog, photos)
        if undo:
            gone = person.take_back(catalog, ids)
        else:
            person.judge(catalog, ids, keep=keep, note=note)
    _tell(screen, len(ids), f"as the stages say ({gone} words taken back)" if undo else "kept" if keep else "dropped")


def _tell(screen: Screen, count: int, what: str) -> None:
    if screen.as_json:
        screen.json({"photos": count, "now": what})
        return
    screen.say(f"{count:,} {'photo is' if count == 1 else 'photos are'} {what}.")
    screen.hint("carharvest normalize brings groups and keepers up to date; --undo takes it back")


@contextmanager
def _writing(workspace: Path, command: str) -> Iterator[Catalog]:
    from carharvest.catalog.runs import locked
    from carharvest.catalog.store import open_catalog

    with open_catalog(workspace) as catalog, locked(workspace, command):
        yield catalog


def _photo_ids(catalog: Catalog, names: list[str]) -> list[int]:
    """One photo for each name: a person's word is on the photo that was meant, and no other."""
    found = []
    for given in names:
        ids = find_photos(catalog, given)
        if len(ids) > 1:
            raise typer.BadParameter(f"{len(ids):,} photos are known as {given!r}; name the start of a sha256")
        found += ids
    return sorted(set(found))
