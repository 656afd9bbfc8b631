"""Makes a split: chooses photos, places them, writes the folder and the catalog; frozen once it is made."""

import json
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from datetime import timedelta
from functools import partial
from pathlib import Path
from typing import Literal

from carharvest.blobs import BlobStore
from carharvest.brands import BrandMapping
from carharvest.catalog.placements import (
    kept_photos,
    origins,
    placed_photos,
    saved_split,
    split_digest,
    split_plan,
    undecided_photos,
)
from carharvest.catalog.store import Catalog
from carharvest.catalog.story import status
from carharvest.errors import EmptyResult, SplitExists
from carharvest.records import KeptPhoto, Placed
from carharvest.splits.assign import Assignment, assign, assign_folds
from carharvest.splits.card import Curation, card
from carharvest.splits.croissant import croissant
from carharvest.splits.describe import counts, describe, digest, write_json
from carharvest.splits.groups import grouped
from carharvest.splits.imagefolder import write_imagefolder
from carharvest.splits.pictures import PictureCounts
from carharvest.splits.plan import SplitPlan
from carharvest.splits.plot import write_plot
from carharvest.splits.render import Rendering
from carharvest.splits.where import condition

Mode = Literal["new", "extend", "replace"]


@dataclass(frozen=True, slots=True)
class Workplace:
    """What splits are made from and where."""

    catalog: Catalog
    workspace: Path
    mapping: BrandMapping

    @property
    def blobs(self) -> BlobStore:
        return BlobStore(self.workspace / "blobs")

    def folder(self, name: str) -> Path:
        return self.workspace / "splits" / name


@dataclass(frozen=True, slots=True)
class SplitMade:
    """A split and what became of it in this run."""

    name: str
    path: Path
    changed: bool
    counts: Mapping[str, Mapping[str, int]]
    left_out: Mapping[str, int]
    added: int  # photos that were not in it before
    no_longer_kept: int  # photos that are in it, and would not be in a new one
    torn: int  # groups that stand in two parts of it, which nobody knew of when it was made
    pictures: PictureCounts | None = None

    @property
    def photos(self) -> int:
        return sum(sum(of_class.values()) for of_class in self.counts.values())


def stored_plan(catalog: Catalog, name: str) -> tuple[SplitPlan, Rendering] | None:
    """How a split was made; of folds, by the name of all. None where there is no such split."""
    kept = split_plan(catalog, name) or split_plan(catalog, f"{name}-1")
    if kept is None:
        return None
    plan = replace(SplitPlan.read(kept), fold=0)
    return plan, Rendering(**kept["pictures"]) if "pictures" in kept else Rendering()


def placed_in(catalog: Catalog, name: str, plan: SplitPlan) -> list[Placed]:
    """The photos of a split with the groups that its plan makes of them. Raises NotFound."""
    placed = placed_photos(catalog, name)
    photos = grouped([p.photo for p in placed], plan.group_by, timedelta(minutes=plan.within_minutes))
    return [replace(p, photo=photo) for p, photo in zip(placed, photos, strict=True)]


def make_splits(
    place: Workplace,
    name: str,
    plan: SplitPlan,
    rendering: Rendering,
    mode: Mode,
    *,
    run_id: int,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> list[SplitMade]:
    """Makes the split of that name, or one a fold (`name-1`, `name-2`, …).

    `extend` adds what is new and moves nothing; `new` refuses where that would add something or the plan is another.
    Raises SplitExists, EmptyResult, BadSettings (of the condition) and DiskFull.
    """
    kept = kept_photos(place.catalog)
    chosen, excluded = _chosen(kept, plan, rendering, place.mapping)
    excluded["brands"] = undecided_photos(place.catalog)
    names = [f"{name}-{number}" for number in range(1, plan.folds + 1)] if plan.folds else [name]
    plans = [replace(plan, fold=number) for number in range(1, plan.folds + 1)] if plan.folds else [plan]
    standing = [n for n in names if split_plan(place.catalog, n) is not None]
    previous: list[list[Placed]] = []
    if mode != "replace" and len(standing) == len(names):
        _refuse_another_plan(place.catalog, name, plan, rendering)
        previous = [placed_photos(place.catalog, n) for n in names]
    assignments = assign_folds(chosen, plan, previous) if plan.folds else [assign(chosen, plan, *previous)]
    if not any(assignment.placed for assignment in assignments):
        raise _nothing_to_split(kept, chosen, plan)
    order = _Order(place, rendering, mode, frozenset(photo.id for photo in chosen), excluded, run_id)
    total = sum(len(assignment.placed) for assignment in assignments)
    made: list[SplitMade] = []
    for position, assignment in enumerate(assignments):
        before = previous[position] if previous else []
        shown = partial(_moved, progress, sum(m.photos for m in made), total)
        made.append(_made(order, names[position], plans[position], assignment, before, shown))
    return made


@dataclass(frozen=True, slots=True)
class _Order:
    """What holds for all folds of a split that is being made."""

    place: Workplace
    rendering: Rendering
    mode: Mode
    chosen: frozenset[int]  # photos that fulfil what is asked
    excluded: Mapping[str, int]  # reason -> photos that do not
    run_id: int


def _nothing_to_split(kept: Sequence[KeptPhoto], chosen: Sequence[KeptPhoto], plan: SplitPlan) -> EmptyResult:
    if not kept:
        return EmptyResult(
            "there is no kept photo to split", hint="run: carharvest normalize, and look at: carharvest status"
        )
    if not chosen:
        return EmptyResult(f"none of {len(kept):,} kept photos fulfils what is asked", hint="ask for less with --where")
    return EmptyResult(
        f"none of {len(chosen):,} photos carries a {plan.by}" if plan.by != "brand" else "all classes are rare",
        hint="carharvest why PHOTO tells what is known of one",
    )


def _chosen(
    kept: Sequence[KeptPhoto], plan: SplitPlan, rendering: Rendering, mapping: BrandMapping
) -> tuple[list[KeptPhoto], Counter[str]]:
    holds = condition(plan.where, mapping)
    fulfilling = [photo for photo in kept if holds(photo)]
    chosen = [photo for photo in fulfilling if photo.boxes or not rendering.crop]
    return chosen, Counter({"where": len(kept) - len(fulfilling), "no-box": len(fulfilling) - len(chosen)})


def _refuse_another_plan(catalog: Catalog, name: str, plan: SplitPlan, rendering: Rendering) -> None:
    stored = stored_plan(catalog, name)
    if stored is None or stored == (plan, rendering):
        return
    old, new = (p.as_json() | asdict(r) for p, r in (stored, (plan, rendering)))
    differing = ", ".join(f"{key} {old[key]} instead of {new[key]}" for key in old if old[key] != new[key])
    raise SplitExists(
        f"the split {name!r} is there already, made with {differing}",
        hint="splits are frozen: choose another --name, or make it anew with --replace",
    )


def _made(
    order: _Order,
    name: str,
    plan: SplitPlan,
    assignment: Assignment,
    previous: Sequence[Placed],
    progress: Callable[[int], None],
) -> SplitMade:
    place, rendering, placed = order.place, order.rendering, assignment.placed
    left_out = {why: len(photos) for why, photos in assignment.left_out.items()}
    left_out |= {why: count for why, count in order.excluded.items() if count}
    old = {p.photo.id for p in previous}
    made = SplitMade(
        name=name,
        path=place.folder(name),
        changed=True,
        counts=counts(placed),
        left_out=left_out,
        added=len(placed) - len(old),
        no_longer_kept=len(old - order.chosen),
        torn=assignment.torn,
    )
    wanted = digest(placed, plan, rendering)
    stored = split_digest(place.catalog, name)
    if stored == wanted and _folder_digest(made.path) == wanted:
        return replace(made, changed=False)
    there = {stored, _folder_digest(made.path)} - {"", wanted}
    if order.mode == "new" and (made.added if previous else there):
        raise SplitExists(
            f"the split {name!r} is there already, and the photos have changed since",
            hint=f"splits are frozen: add the {made.added:,} new ones with --extend, which moves none, "
            "choose another --name, or make it anew with --replace",
        )
    description = describe(name, plan, rendering, placed, place.mapping, left_out, wanted)
    curation = curation_of(place.catalog)

    def more(draft: Path) -> None:
        readme = card(name, plan, placed, made.counts, left_out, curation)
        (draft / "README.md").write_text(readme, encoding="utf-8")
        patterns = ["train/**", "val/**", "test/**"]
        write_json(draft / "croissant.json", croissant(draft, name, placed, patterns, "image/jpeg", wanted))
        write_plot(draft / "classes.png", name, made.counts)

    kept_plan = plan.as_json() | {"pictures": asdict(rendering)}
    found = write_imagefolder(
        made.path, placed, description, rendering, place.blobs, partial(origins, place.catalog),
        more=more,
        placing=lambda: saved_split(place.catalog, name, kept_plan, wanted, placed, order.run_id),
        progress=progress,
    )  # fmt: skip
    return replace(made, pictures=found)


def _moved(progress: Callable[[int, int], None], base: int, total: int, done: int) -> None:
    progress(base + done, total)


def _folder_digest(folder: Path) -> str:
    try:
        said = json.loads((folder / "split.json").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return ""
    return str(said.get("digest", "")) if isinstance(said, dict) else ""


def curation_of(catalog: Catalog) -> Curation:
    """What became of the catalog's photos, for the data set card."""
    now = status(catalog)
    groups = now.groups
    return Curation(now.photos, now.kept or 0, now.drops, now.flags, groups.get("copy", 0), groups.get("same-shot", 0))
