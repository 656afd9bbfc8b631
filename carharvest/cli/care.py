"""carharvest verify and clean: whether the workspace is whole, and what can go."""

from __future__ import annotations

import shutil
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen, readable_size
from carharvest.errors import DamagedWorkspace


class What(StrEnum):
    """Kinds of things that `clean` can delete."""

    caches = "caches"
    checkpoints = "checkpoints"
    leftovers = "leftovers"
    orphans = "orphans"
    pages = "pages"
    runs = "runs"


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(verify)
    app.command()(clean)


def verify(
    repair: Annotated[
        bool, typer.Option("--repair", help="Mend what was found; lost photos are fetched again by scrape.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Check that every photo has its blob, that every sha256 holds, and that no blob is an orphan."""
    from carharvest.blobs import BlobStore
    from carharvest.catalog.runs import locked
    from carharvest.catalog.store import open_catalog
    from carharvest.harvest.verify import find_damage, mend
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    blobs, thumbnails = BlobStore(settings.workspace / "blobs"), BlobStore(settings.workspace / "thumbs")
    with open_catalog(settings.workspace) as catalog:
        with screen.progress("verify") as move:
            damage = find_damage(catalog, blobs, thumbnails, lambda done, total: move(done, total=total))
        if repair and damage.found:
            with locked(settings.workspace, "verify --repair"):
                mend(damage, catalog, blobs, thumbnails, settings.harvest.max_pixels)
    names = {
        "lost": [sha256 for _, sha256, _ in damage.lost],
        "damaged": [sha256 for _, sha256, _ in damage.damaged],
        "without_thumbnail": [sha256 for _, sha256, _ in damage.without_thumbnail],
        "orphans": [path.name for path in damage.orphans],
        "leftovers": [str(path) for path in damage.leftovers],
    }
    if as_json:
        screen.json({"photos": damage.photos, "repaired": repair and damage.found, **names})
    else:
        for kind, found in names.items():
            for name in found[:20]:
                screen.say(f"{kind.replace('_', ' ')}: {name}")
            if len(found) > 20:
                screen.say(f"… and {len(found) - 20:,} more {kind.replace('_', ' ')}")
        screen.say(
            f"{damage.photos:,} photos checked: "
            + ("nothing is wrong" if not damage.found else f"{damage.found:,} findings")
        )
    if damage.found and not repair:
        raise DamagedWorkspace(f"{damage.found:,} things are not as they should be", hint="carharvest verify --repair")
    if repair and (damage.lost or damage.damaged):
        screen.hint("next: run the scrape again to fetch what was lost, then carharvest normalize")


def clean(
    what: Annotated[
        list[What] | None, typer.Argument(help="What to delete.", show_default="all but runs", show_choices=True)
    ] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Delete; without it, only list.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """List what can be deleted, with sizes, and delete it with --yes. Photos of the catalog are never touched.

    caches: what training computes again. checkpoints: of finished runs, which keep their model. leftovers: temporary
    files of broken runs. orphans: blobs without a photo. pages: saved result pages. runs: whole runs, models too.
    """
    from carharvest.blobs import BlobStore
    from carharvest.catalog.runs import locked
    from carharvest.catalog.store import open_catalog
    from carharvest.harvest.verify import orphans
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    root = load_settings(workspace=workspace).workspace
    chosen = set(what) if what else set(What) - {What.runs}
    with open_catalog(root) as catalog, locked(root, "clean"):
        found = {
            What.caches: [root / "cache"],
            What.checkpoints: [r.parent / "checkpoints" for r in sorted(root.glob("runs/*/result.json"))],
            What.leftovers: _leftovers(root),
            What.orphans: [p for name in ("blobs", "thumbs") for p in orphans(catalog, BlobStore(root / name))],
            What.pages: [root / "pages"],
            What.runs: sorted(p for p in root.glob("runs/*") if p.is_dir()),
        }
        rows = []
        for kind, paths in found.items():
            for path in (p for p in paths if p.exists()):
                rows.append((kind, path, _size(path), kind in chosen))
        if yes:
            for _, path, _, is_chosen in rows:
                if is_chosen:
                    shutil.rmtree(path) if path.is_dir() else path.unlink(missing_ok=True)
    total = sum(size for _, _, size, is_chosen in rows if is_chosen)
    if as_json:
        screen.json(
            [
                {"what": kind, "path": str(path), "bytes": size, "deleted": yes and chosen_}
                for kind, path, size, chosen_ in rows
            ]
        )
        return
    if not rows:
        screen.say("nothing to clean")
        return
    fate = "deleted" if yes else "would go"
    screen.table(
        "clean",
        ["what", "path", "size", ""],
        [(k, p, readable_size(s), fate if c else "stays (name it to delete it)") for k, p, s, c in rows],
    )
    screen.say(f"{readable_size(total)} {'deleted' if yes else 'would be freed'}")
    if not yes and total:
        screen.hint("delete it with: carharvest clean --yes")


def _leftovers(root: Path) -> list[Path]:
    patterns = (
        "blobs/??/.writing-*",
        "thumbs/??/.writing-*",
        "splits/.writing-*",
        "splits/.old-*",
        "cache/.writing-*",
    )
    return [path for pattern in patterns for path in sorted(root.glob(pattern))]


def _size(path: Path) -> int:
    if path.is_file():
        return path.stat().st_size
    return sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
