"""carharvest split: kept photos into an ImageFolder."""

from __future__ import annotations

import json
import re
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import BadSettings, EmptyResult, SplitExists

if TYPE_CHECKING:
    from carharvest.settings import Settings
    from carharvest.splits.assign import SplitPlan

DEFAULT_NAME = "default"


class Rare(StrEnum):
    """What becomes of brands with fewer photos than --min-per-brand."""

    keep = "keep"
    drop = "drop"
    pool = "pool"


def add_to(app: typer.Typer) -> None:
    """Registers the command."""
    app.command()(split)


def split(
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the split; splits are frozen.")] = DEFAULT_NAME,
    ratios: Annotated[str | None, typer.Option(help="Train/val/test in percent.", show_default="70/15/15")] = None,
    min_per_brand: Annotated[int, typer.Option(min=0, help="Brands with fewer photos are rare.")] = 0,
    rare: Annotated[Rare, typer.Option(help="keep, drop or pool (into OTHER) rare brands.")] = Rare.keep,
    replace: Annotated[bool, typer.Option("--replace", help="Make the split of that name anew.")] = False,
    seed: Seed = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Divide the kept photos into train, val and test: stratified by brand, copies and near shots never parted."""
    from carharvest.settings import load_settings
    from carharvest.splits.assign import SplitPlan

    settings = load_settings(workspace=workspace, seed=seed)
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise BadSettings(f"{name!r} is no name for a split", hint="use letters, digits, dots, dashes and underscores")
    if min_per_brand and rare is Rare.keep:
        raise BadSettings(
            "--min-per-brand alone changes nothing: rare brands are kept", hint="add --rare drop or --rare pool"
        )
    train, val, test = _ratios(ratios) if ratios else (settings.split.train, settings.split.val, settings.split.test)
    plan = SplitPlan(settings.seed, train, val, test, min_per_brand, rare.value)
    run_split(Screen(quiet=quiet, as_json=as_json), settings, name, plan, replace=replace)


def run_split(screen: Screen, settings: Settings, name: str, plan: SplitPlan, *, replace: bool) -> None:
    """Makes the split, writes its folder, prints its numbers; the very same split again changes nothing."""
    from carharvest.blobs import BlobStore
    from carharvest.brands import load_brands
    from carharvest.catalog.placements import credited_sightings, kept_photos, save_split
    from carharvest.catalog.runs import locked, recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import status as read_status
    from carharvest.splits.assign import assign
    from carharvest.splits.describe import counts, describe
    from carharvest.splits.imagefolder import write_imagefolder

    target = settings.workspace / "splits" / name
    with open_catalog(settings.workspace) as catalog, locked(settings.workspace, "split"):
        placed = assign(kept_photos(catalog), plan)
        if not placed:
            raise EmptyResult(
                "there is no kept photo to split", hint="run: carharvest normalize, and look at: carharvest status"
            )
        description = describe(name, plan, placed, load_brands(settings.brand_mapping))
        old = target / "split.json"
        is_same = old.exists() and json.loads(old.read_text(encoding="utf-8")) == description
        if old.exists() and not is_same and not replace:
            raise SplitExists(
                f"the split {name!r} is there already, and the photos or the plan have changed since",
                hint="splits are frozen: choose another --name, or make it anew with --replace",
            )
        if not is_same:
            with (
                recorded_run(catalog, "split", description["plan"] | {"name": name}, plan.seed) as run,
                screen.progress(f"split {name}", total=len(placed)) as move,
            ):
                credits_ = credited_sightings(catalog, [p.photo.id for p in placed])
                blobs = BlobStore(settings.workspace / "blobs")
                write_imagefolder(target, placed, credits_, description, blobs, progress=move)
                save_split(catalog, name, description["plan"], placed, run.id)
                run.counts.update({"photos": len(placed), "classes": len(description["classes"])})
        fresh = read_status(catalog).new_since_normalize
    if fresh:
        screen.hint(f"{fresh:,} photos are new since normalize ran and are not in it")
    table = counts(placed)
    if screen.as_json:
        screen.json({"name": name, "path": str(target), "changed": not is_same, "counts": table})
    else:
        _tell(screen, name, table)
        screen.say(f"{'unchanged' if is_same else 'written'}: {target}")
    screen.hint("next: carharvest train" if len(table) > 1 else "one brand makes no classifier: scrape another one")


def _ratios(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d{1,3})[/:,-](\d{1,3})[/:,-](\d{1,3})", text.strip())
    if not match:
        raise BadSettings(f"{text!r} are no ratios", hint="for example: --ratios 70/15/15")
    return int(match[1]), int(match[2]), int(match[3])


def _tell(screen: Screen, name: str, table: dict[str, dict[str, int]]) -> None:
    most = max(sum(parts.values()) for parts in table.values())
    rows: list[tuple[Any, ...]] = []
    for class_name, parts in sorted(table.items(), key=lambda item: -sum(item[1].values())):
        total = sum(parts.values())
        rows.append(
            (class_name, parts["train"], parts["val"], parts["test"], total, "█" * max(1, round(24 * total / most)))
        )
    sums = [sum(parts[part] for parts in table.values()) for part in ("train", "val", "test")]
    rows.append(("all", *sums, sum(sums), ""))
    screen.table(f"split {name}", ["brand", "train", "val", "test", "photos", ""], rows)
