"""Runs a harvest for the scrape commands: what it would cost, the bar while it runs, and what came of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Executor
from dataclasses import asdict, dataclass, field
from typing import TYPE_CHECKING

from carharvest.cli.screen import Screen
from carharvest.errors import CarharvestError, EmptyResult, Interrupted

if TYPE_CHECKING:
    from carharvest.catalog.runs import Run
    from carharvest.catalog.store import Catalog
    from carharvest.harvest.summary import HarvestSummary
    from carharvest.settings import Settings
    from carharvest.sources.plan import Ask, Asking

# What the processes that decode need; imported once for all of them.
_PRELOAD = ("carharvest.harvest.keep",)


@dataclass(frozen=True, slots=True)
class Harvest:
    """One scrape command: its name, what it asks, and under which conditions."""

    command: str
    asks: Sequence[Ask]
    licenses: frozenset[str] = frozenset()
    quotas: Mapping[str, int] = field(default_factory=dict)  # brand -> photos, after which it is not asked for
    trusted_origins: frozenset[str] = frozenset()
    failed: Mapping[str, CarharvestError] = field(default_factory=dict)  # sources that cannot be asked at all


def show_costs(screen: Screen, harvest: Harvest) -> None:
    """What a harvest would ask, and how many requests that costs each source at most."""
    columns = ["source", "query", "brand", "view", "limit", "requests"]
    rows = [[a.source.name, a.query.text, a.query.brand, a.query.view, a.limit, a.requests] for a in harvest.asks]
    calls: dict[str, int] = {}
    for ask in harvest.asks:
        calls[ask.source.name] = calls.get(ask.source.name, 0) + ask.requests
    if screen.as_json:
        lacking = {name: str(error) for name, error in harvest.failed.items()}
        asks = [dict(zip(columns, row, strict=True)) for row in rows]
        screen.json({"asks": asks, "requests": calls, "not_asked": lacking})
        return
    screen.table(f"{harvest.command} would ask", columns, rows[:50])
    if len(rows) > 50:
        screen.say(f"… and {len(rows) - 50:,} more")
    for name, count in calls.items():
        screen.say(f"{name}: {count:,} requests at most; those answered in the last 24 hours are not sent again")
    _tell_failed(screen, harvest.failed)


def run_harvest(screen: Screen, settings: Settings, harvest: Harvest) -> None:
    """Harvests and prints what came of it. Raises the first error of a source, after all that could be done is done."""
    from carharvest.catalog.runs import recorded_run, shared
    from carharvest.catalog.store import open_catalog
    from carharvest.harvest.summary import HarvestSummary
    from carharvest.sources.plan import Asking

    arguments = {
        "asks": [{"source": a.source.name, **asdict(a.query), "limit": a.limit} for a in harvest.asks[:1000]],
        "licenses": sorted(harvest.licenses),
    }
    total = HarvestSummary()
    asking = Asking(harvest.licenses, dict(harvest.failed))
    with (
        shared(settings.workspace, harvest.command),
        open_catalog(settings.workspace, create=True) as catalog,
        recorded_run(catalog, harvest.command, arguments, settings.seed) as run,
        screen.progress(harvest.command) as move,
        decoding_executor(settings) as executor,
    ):
        try:
            _bring(settings, harvest, asking, catalog, run, executor, total, _bar(move, harvest, asking))
        except KeyboardInterrupt:
            raise Interrupted(
                "stopped; all that was fetched is kept",
                hint="the same command goes on where it stopped",
            ) from None
        finally:
            run.counts.update(asdict(total))
    _tell(screen, harvest, total, asking.failed)


def decoding_executor(settings: Settings) -> Executor:
    """What decodes pictures, as the settings say."""
    from carharvest.engine import cores, local_processes, local_threads

    processes = settings.harvest.processes
    if processes == 0:
        return local_threads(cores())
    return local_processes(processes or cores(), _PRELOAD)


def _bring(
    settings: Settings,
    harvest: Harvest,
    asking: Asking,
    catalog: Catalog,
    run: Run,
    executor: Executor,
    total: HarvestSummary,
    progress: Callable[[HarvestSummary], None],
) -> None:
    """All asks in one go; with quotas one after the other, since it takes photos to know whether a quota is met."""
    from carharvest.blobs import BlobStore
    from carharvest.catalog.intake import photos_asked_for
    from carharvest.harvest.http import Fetcher
    from carharvest.harvest.keep import Stores
    from carharvest.harvest.loop import Pace
    from carharvest.harvest.loop import harvest as bring

    s = settings.harvest
    fetcher = Fetcher(
        s.max_bytes, s.timeout_s, settings.user_agent, s.allow_private_hosts, harvest.trusted_origins,
        s.connect_s, s.read_s, s.per_host, s.heed_robots_tag,
    )  # fmt: skip
    root = settings.workspace
    stores = Stores(BlobStore(root / "blobs"), BlobStore(root / "thumbs"), s.max_bytes, s.max_pixels)
    pace = Pace(s.workers, s.per_host, s.host_delay_s, s.attempts, s.backoff_s)
    for asks in [[ask] for ask in harvest.asks] if harvest.quotas else [harvest.asks]:
        brand = asks[0].query.brand if asks else None
        most = harvest.quotas.get(brand or "")
        if brand is not None and most is not None and photos_asked_for(catalog, brand) >= most:
            asking.number += len(asks)
            continue
        bring(
            asking.candidates(asks), catalog, fetcher, stores, executor,
            run_id=run.id, pace=pace, summary=total, progress=progress,
        )  # fmt: skip


def _bar(move: Callable[..., None], harvest: Harvest, asking: Asking) -> Callable[[HarvestSummary], None]:
    limits = [ask.limit for ask in harvest.asks]
    expected = sum(limit for limit in limits if limit) if all(limits) else 0  # else what the source gave so far

    def show(summary: HarvestSummary) -> None:
        done = summary.new + summary.known + summary.failed
        rate = done / summary.seconds if summary.seconds > 0 else 0.0
        note = f"{rate:,.0f}/s  new {summary.new:,}  known {summary.known:,}  failed {summary.failed:,}"
        text = harvest.command
        if asking.at is not None:
            text = f"{asking.at.source.name}: {asking.at.query.text or 'pictures'}"
        if len(harvest.asks) > 1:
            text += f" ({asking.number:,}/{len(harvest.asks):,})"
        move(done, total=max(expected, done, summary.candidates) or None, text=text, note=note)

    return show


def _tell(screen: Screen, harvest: Harvest, total: HarvestSummary, failed: Mapping[str, CarharvestError]) -> None:
    first = next(iter(failed.values()), None)
    if total.candidates == 0:
        if first is not None:
            _tell_failed(screen, dict(list(failed.items())[1:]))
            raise first
        words = ", ".join(repr(ask.query.text) for ask in harvest.asks[:3] if ask.query.text) or "what was asked"
        raise EmptyResult(f"there is nothing for {words}", hint="try other words with --query, or another source")
    name = harvest.command.removeprefix("scrape ")
    if screen.as_json:
        screen.json({**asdict(total), "errors": {source: str(error) for source, error in failed.items()}})
    else:
        rate = total.candidates / total.seconds if total.seconds else 0.0
        screen.say(
            f"{name}: {total.candidates:,} candidates, {total.new:,} new photos, {total.known:,} known, "
            f"{total.failed:,} failed, in {total.seconds:.1f} s ({rate:,.0f}/s)"
        )
        if total.reasons:
            ranked = sorted(total.reasons.items(), key=lambda item: -item[1])
            screen.say("failed: " + ", ".join(f"{reason} {count:,}" for reason, count in ranked))
    if first is not None:
        _tell_failed(screen, dict(list(failed.items())[1:]))
        raise first
    if total.new + total.known == 0:
        raise EmptyResult("not one candidate could be fetched", hint="look at the reasons above; then run it again")
    screen.hint("next: carharvest normalize")


def _tell_failed(screen: Screen, failed: Mapping[str, CarharvestError]) -> None:
    for name, error in failed.items():
        screen.warn(f"{name}: {error}" + (f" ({error.hint})" if error.hint else ""))
