"""What a stage is, and the run of all stages over what is new to each."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from typing import Protocol

from carharvest.catalog.opinions import (
    StageMark,
    last_sighting_id,
    photo_ids_after,
    photos,
    replace_opinions,
    stage_mark,
)
from carharvest.catalog.store import Catalog
from carharvest.records import Label, Membership, Opinion, Photo, Verdict


class Stage(Protocol):
    """One step of normalize: photos in, opinions out; it touches nothing else, so it can be run again."""

    @property
    def name(self) -> str: ...

    @property
    def version(self) -> int:
        """Raised when the same photo would get another opinion."""
        ...

    @property
    def whole(self) -> bool:
        """It compares photos with each other and builds on earlier stages: it sees all photos or none."""
        ...

    def settings(self) -> Mapping[str, object]:
        """What its opinions depend on besides the photo; another value makes it look at everything again."""
        ...

    def run(self, photos: Iterable[Photo]) -> Iterator[Opinion]:
        """Opinions on the photos; none for a photo that it has nothing to say of."""
        ...


@dataclass
class StageSummary:
    """What one stage did in this run."""

    stage: str
    looked_at: int = 0
    labelled: int = 0
    flagged: int = 0
    dropped: dict[str, int] = field(default_factory=dict)  # reason -> photos
    grouped: dict[str, int] = field(default_factory=dict)  # relation -> photos


def normalize(
    catalog: Catalog,
    stages: Sequence[Stage],
    *,
    run_id: int,
    progress: Callable[[str, int, int], None] = lambda stage, done, total: None,
) -> list[StageSummary]:
    """Runs the stages in order; each looks at the photos that are new to it, or at all where its settings changed.

    A stage's opinions are written in one transaction at its end: after a crash the stage starts again.
    """
    newest = last_sighting_id(catalog)
    summaries = []
    for position, stage in enumerate(stages):
        mark = StageMark(_key(stage, stages[:position]), newest)
        before = stage_mark(catalog, stage.name)
        known = before.last_sighting_id if before.key == mark.key else 0
        ids = photo_ids_after(catalog, known)
        if stage.whole and ids:
            ids = photo_ids_after(catalog, 0)
        summary = StageSummary(stage.name, looked_at=len(ids))
        summaries.append(summary)
        if not ids:
            continue
        earlier = [other.name for other in stages[:position]]
        seen = _counted(photos(catalog, ids, earlier), partial(progress, stage.name), len(ids))
        opinions = list(stage.run(seen))
        replace_opinions(catalog, stage.name, ids, opinions, mark, run_id)
        _sum_up(summary, opinions)
    return summaries


def _key(stage: Stage, earlier: Sequence[Stage]) -> str:
    """What the stage's opinions rest on: its version and settings; those of the earlier stages too if it is whole."""
    rests_on = [*earlier, stage] if stage.whole else [stage]
    facts = json.dumps([[s.name, s.version, dict(s.settings())] for s in rests_on], sort_keys=True, default=str)
    return f"{stage.version}-{hashlib.sha256(facts.encode()).hexdigest()[:16]}"


def _counted(seen: Iterable[Photo], progress: Callable[[int, int], None], total: int) -> Iterator[Photo]:
    for done, photo in enumerate(seen, start=1):
        yield photo
        if done % 100 == 0 or done == total:
            progress(done, total)


def _sum_up(summary: StageSummary, opinions: Sequence[Opinion]) -> None:
    summary.labelled = len({o.photo_id for o in opinions if isinstance(o, Label)})
    for opinion in opinions:
        if isinstance(opinion, Verdict):
            if opinion.keep:
                summary.flagged += 1
            else:
                summary.dropped[opinion.reason] = summary.dropped.get(opinion.reason, 0) + 1
        elif isinstance(opinion, Membership):
            summary.grouped[opinion.relation] = summary.grouped.get(opinion.relation, 0) + 1
