"""carharvest normalize: runs the stages, or tells what they would change."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from carharvest.catalog.changes import Change
    from carharvest.catalog.store import Catalog
    from carharvest.normalize.base import StageSummary
    from carharvest.settings import Settings

Only = Annotated[list[str] | None, typer.Option("--only", help="Run this stage alone; repeatable.")]
Skip = Annotated[list[str] | None, typer.Option("--skip", help="Leave this stage at what it said before; repeatable.")]
Rehearse = Annotated[
    bool, typer.Option("--dry-run", help="Say what would change, by stage, reason and brand; write nothing.")
]

DropFlagged = Annotated[
    bool, typer.Option("--drop", help="Drop what the audit flags: photos whose brand is probably another.")
]
Cap = Annotated[
    int | None, typer.Option("--cap", min=1, help="Keep so many photos of a brand at most, the most different ones.")
]
Sheet = Annotated[
    Path | None, typer.Option("--sheet", help="Write a page of all groups of copies and same shots, to be looked at.")
]


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(normalize)


def normalize(
    only: Only = None,
    skip: Skip = None,
    dry_run: Rehearse = False,
    drop: DropFlagged = False,
    cap: Cap = None,
    sheet: Sheet = None,
    workspace: Workspace = None,
    seed: Seed = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say of each photo what it shows and whether to keep it: names, brands, views, quality, content, duplicates.

    Nothing is moved or deleted: these are opinions in the catalog, and running it again looks only at what is new.
    """
    from carharvest.settings import load_settings

    settings = load_settings(workspace=workspace, seed=seed)
    if drop:
        settings = settings.model_copy(update={"audit": settings.audit.model_copy(update={"drop": True})})
    if cap is not None:
        settings = settings.model_copy(update={"diversity": settings.diversity.model_copy(update={"cap": cap})})
    screen = Screen(quiet=quiet, as_json=as_json)
    run_normalize(screen, settings, only=only or (), skip=skip or (), dry_run=dry_run, sheet=sheet)


def run_normalize(
    screen: Screen,
    settings: Settings,
    *,
    only: Sequence[str] = (),
    skip: Sequence[str] = (),
    dry_run: bool = False,
    sheet: Path | None = None,
) -> None:
    """Runs the stages and prints what each did; with `dry_run`, what would change. `sheet` is drawn either way."""
    from carharvest.catalog.changes import brands_of, changes, snapshot
    from carharvest.catalog.runs import locked
    from carharvest.catalog.store import open_catalog

    with open_catalog(settings.workspace) as catalog, locked(settings.workspace, "normalize"):
        if not dry_run:
            _tell_run(screen, *_run(screen, settings, catalog, only, skip))
            _write_sheet(screen, settings, catalog, sheet)
            return
        before, was = snapshot(catalog), brands_of(catalog)
        with catalog.rehearsal() as trial:
            summaries, _, _ = _run(screen, settings, trial, only, skip)
            after = snapshot(trial)
            found = changes(before, after, was | brands_of(trial))
            _write_sheet(screen, settings, trial, sheet)
    _tell_rehearsal(screen, found, len(after.dropped - before.dropped), len(before.dropped - after.dropped), summaries)


def _run(
    screen: Screen, settings: Settings, catalog: Catalog, only: Sequence[str], skip: Sequence[str]
) -> tuple[list[StageSummary], int, int]:
    """What each stage did, the photos, and how many of them are kept."""
    from carharvest.brands import load_brands
    from carharvest.catalog.runs import recorded_run
    from carharvest.catalog.story import status
    from carharvest.normalize.base import normalize as run_stages
    from carharvest.normalize.stages import all_stages

    mapping = load_brands(settings.brand_mapping)
    with screen.progress("normalize") as move:

        def tell(what: str, done: int, total: int) -> None:
            move(done, total=total, text=f"normalize: {what}")

        stages = all_stages(settings, mapping, catalog, tell)
        arguments = {stage.name: dict(stage.settings()) for stage in stages if stage.name != "brands"}
        with recorded_run(catalog, "normalize", arguments, settings.seed) as run:
            summaries = run_stages(catalog, stages, run_id=run.id, only=only, skip=skip, progress=tell)
            now = status(catalog)
            run.counts.update({"photos": now.photos, "kept": now.kept})
    return summaries, now.photos, now.kept or 0


def _write_sheet(screen: Screen, settings: Settings, catalog: Catalog, sheet: Path | None) -> None:
    if sheet is None:
        return
    from carharvest.blobs import BlobStore
    from carharvest.catalog.groups import groups
    from carharvest.normalize.sheet import write_sheet

    shown = write_sheet(groups(catalog), BlobStore(settings.workspace / "thumbs"), sheet)
    screen.hint(f"{sheet}: {shown:,} groups")


def _tell_run(screen: Screen, summaries: Sequence[StageSummary], photos: int, kept: int) -> None:
    if screen.as_json:
        screen.json({"stages": [asdict(s) for s in summaries], "photos": photos, "kept": kept})
    else:
        screen.table(
            "normalize",
            ["stage", "looked at", "changed", "labelled", "would drop", "why", "flagged", "alike"],
            [_row(s) for s in summaries],
        )
        for s in summaries:
            if s.skipped:
                screen.say(f"{s.stage} did not run: {s.skipped}")
        screen.say(f"{kept:,} of {photos:,} photos are kept.")
    if kept == 0:
        screen.hint("no photo is left: carharvest status says why")
    else:
        screen.hint("next: carharvest split   (carharvest status and carharvest why PHOTO tell more)")


def _row(s: StageSummary) -> tuple[object, ...]:
    alike = _listed(s.grouped) if s.grouped else f"{s.tied:,} pairs" if s.tied else ""
    dropped = sum(s.dropped.values())
    return s.stage, s.looked_at, s.changed, s.labelled, dropped, _listed(s.dropped), _listed(s.flagged), alike


def _listed(counts: Mapping[str, int]) -> str:
    return ", ".join(f"{name} {count:,}" for name, count in sorted(counts.items(), key=lambda item: -item[1]))


def _tell_rehearsal(
    screen: Screen, found: Sequence[Change], dropped: int, kept: int, summaries: Sequence[StageSummary]
) -> None:
    if screen.as_json:
        told = {"changes": [asdict(c) for c in found], "newly_dropped": dropped, "newly_kept": kept}
        screen.json(told | {"stages": [asdict(s) for s in summaries]})
        return
    if found:
        rows = [(c.stage, c.reason, c.brand, c.newly, c.no_longer) for c in found]
        screen.table("what would change", ["stage", "says", "brand", "newly", "no longer"], rows)
    screen.say(f"{dropped:,} photos more would be dropped, {kept:,} would be kept again. Nothing was written.")
    screen.hint("to do it: the same without --dry-run")
