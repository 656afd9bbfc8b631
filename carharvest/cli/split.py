"""carharvest split: kept photos into an ImageFolder; and what can be done with splits."""

from __future__ import annotations

import re
from dataclasses import asdict
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli import audit, export, splitdiff
from carharvest.cli.options import Copy, CropTo, Debug, Json, Margin, Quiet, Resize, Seed, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import BadSettings

if TYPE_CHECKING:
    from carharvest.settings import Settings
    from carharvest.splits.make import Mode, SplitMade
    from carharvest.splits.plan import SplitPlan
    from carharvest.splits.render import Rendering

DEFAULT_NAME = "default"


class Rare(StrEnum):
    """What becomes of classes with fewer photos than --min-per-class."""

    keep = "keep"
    drop = "drop"
    pool = "pool"


class By(StrEnum):
    """What the classes are made of."""

    brand = "brand"
    model = "model"
    view = "view"
    brand_view = "brand+view"


class GroupBy(StrEnum):
    """What, besides looks, makes photos one group."""

    page = "page"
    photographer = "photographer"


app = typer.Typer(
    invoke_without_command=True,
    help="Divide the kept photos into train, val and test; check, mend, compare and export splits.",
)

audit.add_to(app)
splitdiff.add_to(app)
export.add_to(app)


@app.callback()
def split(
    ctx: typer.Context,
    name: Annotated[str, typer.Option("--name", "-n", help="Name of the split; splits are frozen.")] = DEFAULT_NAME,
    by: Annotated[By | None, typer.Option(help="What the classes are made of.", show_default="brand")] = None,
    ratios: Annotated[str | None, typer.Option(help="Train/val/test in percent.", show_default="70/15/15")] = None,
    folds: Annotated[
        int | None, typer.Option(min=3, help="Make so many splits (NAME-1, …), each photo tested once.")
    ] = None,
    where: Annotated[
        str | None, typer.Option(help="Only photos for which this holds: \"license in ('cc0','by') and side >= 512\".")
    ] = None,
    min_per_class: Annotated[
        int | None,
        typer.Option("--min-per-class", "--min-per-brand", min=0, help="Classes with fewer photos are rare."),
    ] = None,
    rare: Annotated[
        Rare | None, typer.Option(help="keep, drop or pool (into OTHER) rare classes.", show_default="keep")
    ] = None,
    floor: Annotated[
        int | None,
        typer.Option(min=0, help="Photos of each class in each part, as far as it has enough.", show_default="1"),
    ] = None,
    group_by: Annotated[
        list[GroupBy] | None, typer.Option("--group-by", help="Never part these either; repeatable.")
    ] = None,
    within: Annotated[
        int | None,
        typer.Option(min=0, help="Minutes between shots of one photographer that belong together.", show_default="10"),
    ] = None,
    keep_parts: Annotated[
        bool | None, typer.Option("--keep-parts", help="Imported photos stay in the part their data set has them in.")
    ] = None,
    resize: Resize = None,
    crop: CropTo = None,
    margin: Margin = None,
    copy: Copy = False,
    extend: Annotated[
        bool, typer.Option("--extend", help="Add new photos to the split of that name; none of the old ones moves.")
    ] = False,
    replace: Annotated[bool, typer.Option("--replace", help="Make the split of that name anew.")] = False,
    seed: Seed = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Divide the kept photos into train, val and test: stratified by class, copies and near shots never parted."""
    if ctx.invoked_subcommand is not None:
        return
    from carharvest.settings import load_settings
    from carharvest.splits.plan import SplitPlan
    from carharvest.splits.render import Rendering

    settings = load_settings(workspace=workspace, seed=seed)
    if extend and replace:
        raise BadSettings("--extend and --replace exclude each other", hint="--extend keeps, --replace makes anew")
    if min_per_class and rare in {None, Rare.keep}:
        raise BadSettings(
            "--min-per-class alone changes nothing: rare classes are kept", hint="add --rare drop or --rare pool"
        )
    if margin is not None and crop is None:
        raise BadSettings("--margin needs something to cut to", hint="add --crop boxes")
    train, val, test = _ratios(ratios) if ratios else (settings.split.train, settings.split.val, settings.split.test)
    plan = SplitPlan(
        settings.seed, train, val, test,
        by=by.value if by else "brand",
        min_per_class=min_per_class or 0,
        rare=rare.value if rare else "keep",
        floor=1 if floor is None else floor,
        group_by=tuple(sorted({g.value for g in group_by or []})),
        within_minutes=10 if within is None else within,
        where=where or "",
        keep_parts=bool(keep_parts),
        folds=folds or 0,
    )  # fmt: skip
    rendering = Rendering(resize, crop is not None, 0.1 if margin is None else margin, links=not copy)
    said = (by, ratios, folds, where, min_per_class, rare, floor, group_by, within, keep_parts, resize, crop, seed)
    if extend and (copy or any(value is not None for value in said)):
        raise BadSettings("--extend goes on with the split's own plan", hint="leave out what else says how")
    mode: Mode = "extend" if extend else "replace" if replace else "new"
    run_split(Screen(quiet=quiet, as_json=as_json), settings, name, plan, rendering, mode=mode)


def run_split(
    screen: Screen,
    settings: Settings,
    name: str,
    plan: SplitPlan,
    rendering: Rendering,
    *,
    mode: Mode,
) -> None:
    """Makes the split and prints its numbers; the very same split again changes nothing."""
    from carharvest.brands import load_brands
    from carharvest.catalog.runs import locked, recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import status as read_status
    from carharvest.splits.make import Workplace, make_splits, stored_plan

    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}", name):
        raise BadSettings(f"{name!r} is no name for a split", hint="use letters, digits, dots, dashes and underscores")
    with open_catalog(settings.workspace) as catalog, locked(settings.workspace, "split"):
        if mode == "extend":
            plan, rendering = stored_plan(catalog, name) or (plan, rendering)
        place = Workplace(catalog, settings.workspace, load_brands(settings.brand_mapping))
        with (
            recorded_run(catalog, "split", {"name": name, "mode": mode} | plan.as_json(), plan.seed) as run,
            screen.progress(f"split {name}") as move,
        ):
            made = make_splits(
                place, name, plan, rendering, mode, run_id=run.id, progress=lambda done, total: move(done, total=total)
            )
            run.counts.update({"photos": made[0].photos})
        fresh = read_status(catalog).new_since_normalize
    if screen.as_json:
        told = [asdict(m) | {"path": str(m.path)} for m in made]
        screen.json(told if plan.folds else told[0])
    else:
        for each in made[:1]:
            _tell_counts(screen, each, plan)
        for each in made:
            screen.say(f"{'written' if each.changed else 'unchanged'}: {each.path}")
    _tell_troubles(screen, made[0], fresh)
    classes = len(made[0].counts)
    look = f"look at {made[0].path / 'classes.png'} and README.md; " if any(m.changed for m in made) else ""
    screen.hint(f"{look}next: carharvest train" if classes > 1 else "one class makes no classifier: scrape another one")


_WHY = {
    "unknown": "carry no {by}",
    "rare": "are of rare classes",
    "copy": "are copies of photos that are in it",
    "ties-parts": "would tie photos of two parts together",
    "own-part": "stand in another part of their own data set than the rest of their group",
    "brands": "are kept by hand and carry several brands: carharvest label PHOTO --brand says which",
    "where": "do not fulfil --where",
    "no-box": "have no box to cut to",
}


def _tell_troubles(screen: Screen, made: SplitMade, fresh: int) -> None:
    if fresh:
        screen.hint(f"{fresh:,} photos are new since normalize ran and are not in it")
    if made.no_longer_kept:
        screen.warn(
            f"{made.no_longer_kept:,} photos of it would not be in a new split (dropped or excluded since); "
            "it is frozen, so they stay: --replace makes it anew"
        )
    if made.torn:
        screen.warn(
            f"{made.torn:,} groups turned out to reach over two parts of it; nothing was moved: --replace makes it anew"
        )


def _tell_counts(screen: Screen, made: SplitMade, plan: SplitPlan) -> None:
    """A table with a bar a class: train, val and test in their colours."""
    most = max(sum(parts.values()) for parts in made.counts.values())
    rows: list[tuple[Any, ...]] = []
    for class_name, parts in sorted(made.counts.items(), key=lambda item: (-sum(item[1].values()), item[0])):
        total = sum(parts.values())
        rows.append((class_name, parts["train"], parts["val"], parts["test"], total))
    bars = [[row[1], row[2], row[3]] for row in rows]
    sums = [sum(parts[part] for parts in made.counts.values()) for part in ("train", "val", "test")]
    rows.append(("all", *sums, sum(sums)))
    screen.bars(
        f"split {made.name}",
        [plan.by, "train", "val", "test", "photos"],
        rows,
        [*bars, []],
        most,
    )
    for why, count in made.left_out.items():
        if count:
            screen.say(f"left out: {count:,} photos {_WHY.get(why, why).format(by=plan.by)}")
    if made.pictures and made.pictures.rendered:
        screen.say(f"{made.pictures.rendered:,} pictures were written anew, {made.pictures.linked:,} linked")


def _ratios(text: str) -> tuple[int, int, int]:
    match = re.fullmatch(r"(\d{1,3})[/:,-](\d{1,3})[/:,-](\d{1,3})", text.strip())
    if not match:
        raise BadSettings(f"{text!r} are no ratios", hint="for example: --ratios 70/15/15")
    return int(match[1]), int(match[2]), int(match[3])
