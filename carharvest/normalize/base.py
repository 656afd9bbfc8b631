"""What a stage is, and the run of all stages over what is new to each."""

import hashlib
import json
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol

from carharvest.catalog.opinions import (
    Groups,
    Looked,
    StageMark,
    changes_of,
    last_sighting_id,
    photo_ids_after,
    photos,
    save_opinions,
    stage_mark,
)
from carharvest.catalog.person import person_changes
from carharvest.catalog.store import Catalog
from carharvest.catalog.ties import tied_to_touched
from carharvest.errors import UnknownStage
from carharvest.records import Label, Membership, Opinion, Photo, Tie, Verdict

_BATCH = 1000  # photos whose opinions are in memory at a time

Progress = Callable[[str, int, int], None]  # stage or what it does, done, of how many
# each: photo by photo, a batch at a time. new: all that is new at once, to be compared with what is known.
# tied: what is tied to photos of which something else is said now. whole: all photos, if anything is new or changed.
Scope = Literal["each", "new", "tied", "whole"]


def silent(_what: str, _done: int, _total: int) -> None:
    """Progress that nobody looks at."""


class Stage(Protocol):
    """One step of normalize: photos in, opinions out; it touches nothing else, so it can be run again."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised when the same photo would get another opinion."""
        ...

    @property
    def scope(self) -> Scope:
        """Which photos it has to see."""
        ...

    def settings(self) -> Mapping[str, object]:
        """What its opinions depend on besides the photo; another value makes it look at everything again."""
        ...

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        """Opinions on the photos; none for a photo that it has nothing to say of."""
        ...


@dataclass(frozen=True, slots=True)
class AbsentStage:
    """Stands in the place of a stage that needs packages which are not installed, and has nothing to say."""

    name: str
    hint: str
    version: int = 0
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {}

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        return iter(())


@dataclass
class StageSummary:
    """What one stage did in this run."""

    stage: str
    looked_at: int = 0
    changed: int = 0  # photos of which it says something else than before
    labelled: int = 0
    tied: int = 0  # pairs
    flagged: dict[str, int] = field(default_factory=dict)  # reason -> photos
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> photos
    grouped: dict[str, int] = field(default_factory=dict)  # relation -> photos
    skipped: str = ""  # why it did not run


def normalize(
    catalog: Catalog,
    stages: Sequence[Stage],
    *,
    run_id: int,
    only: Collection[str] = (),
    skip: Collection[str] = (),
    progress: Progress = silent,
) -> list[StageSummary]:
    """Runs the stages in order; each looks at the photos that are new to it, or at all where its settings changed.

    A stage that does not run keeps what it said before. What a batch is told is written in one transaction: after a
    crash the stage goes on behind it. Raises UnknownStage for a name in `only` or `skip` that is none.
    """
    names = [stage.name for stage in stages]
    for name in (*only, *skip):
        if name not in names:
            raise UnknownStage(f"no stage is called {name!r}", hint=f"the stages are {', '.join(names)}")
    chosen = [s for s in stages if (not only or s.name in only) and s.name not in skip]
    return [_run(catalog, stages, stage, run_id, progress) for stage in chosen]


def _run(catalog: Catalog, stages: Sequence[Stage], stage: Stage, run_id: int, progress: Progress) -> StageSummary:
    position = list(stages).index(stage)
    earlier = [other.name for other in stages[:position]]
    later = [other for other in stages[position + 1 :] if other.scope == "tied"]
    groups: Groups = "made" if stage.scope == "tied" else "outdated" if later else "unconcerned"
    summary = StageSummary(stage.name)
    if isinstance(stage, AbsentStage):
        summary.skipped = stage.hint
        return summary
    mark = stage_mark(catalog, stage.name)
    key = stage_key(catalog, stage, earlier)
    batches = _batches(catalog, stage, mark, key)
    total = sum(len(ids) for ids, _ in batches)
    for ids, last_sighting in batches:

        def seen(ids: Sequence[int] = ids) -> Iterator[Photo]:
            for done, photo in enumerate(photos(catalog, ids, earlier), start=summary.looked_at + 1):
                yield photo
                if done % 100 == 0 or done == total:
                    progress(stage.name, done, total)

        opinions = list(stage.run(seen()))
        mark = StageMark(key, last_sighting, mark.changes)
        changed = save_opinions(catalog, stage.name, Looked(ids, opinions, mark, groups), run_id)
        mark = StageMark(key, last_sighting, mark.changes + bool(changed))
        summary.looked_at += len(ids)
        summary.changed += changed
        _sum_up(summary, opinions)
    return summary


def _batches(catalog: Catalog, stage: Stage, mark: StageMark, key: str) -> list[tuple[Sequence[int], int]]:
    """Which photos the stage has to look at, batch by batch, and up to which sighting it has then looked."""
    is_same = mark.key == key
    if stage.scope == "tied":
        ids = tied_to_touched(catalog, everything=not is_same)
        newest = last_sighting_id(catalog)
        return [(ids, newest)] if ids or not is_same or newest > mark.last_sighting_id else []
    fresh = photo_ids_after(catalog, mark.last_sighting_id if is_same else 0)
    if not fresh:
        return []
    if stage.scope == "whole":
        fresh = photo_ids_after(catalog, 0)
    if stage.scope != "each":
        return [(sorted(photo_id for photo_id, _ in fresh), fresh[-1][1])]
    parts = [fresh[start : start + _BATCH] for start in range(0, len(fresh), _BATCH)]
    return [([photo_id for photo_id, _ in part], part[-1][1]) for part in parts]


def stage_key(catalog: Catalog, stage: Stage, earlier: Sequence[str]) -> str:
    """What the stage's opinions rest on: its version and settings; for the whole also what others said before it."""
    facts: list[object] = [stage.name, stage.version, dict(stage.settings())]
    if stage.scope == "whole":
        facts += [changes_of(catalog, earlier), person_changes(catalog)]
    text = json.dumps(facts, sort_keys=True, default=str)
    return f"{stage.version}-{hashlib.sha256(text.encode()).hexdigest()[:16]}"


def _sum_up(summary: StageSummary, opinions: Sequence[Opinion]) -> None:
    summary.labelled += len({o.photo_id for o in opinions if isinstance(o, Label)})
    for opinion in opinions:
        if isinstance(opinion, Verdict):
            counts = summary.flagged if opinion.keep else summary.dropped
            counts[opinion.reason] = counts.get(opinion.reason, 0) + 1
        elif isinstance(opinion, Membership):
            summary.grouped[opinion.relation] = summary.grouped.get(opinion.relation, 0) + 1
        elif isinstance(opinion, Tie):
            summary.tied += 1
