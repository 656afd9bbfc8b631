"""carharvest scrape: brings photos from a source into the catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import AllBrands, Brands, Debug, Json, Limit, QueryText, Quiet, Views, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import EmptyResult, Interrupted, MissingKey

if TYPE_CHECKING:
    from carharvest.harvest.loop import HarvestSummary
    from carharvest.records import Candidate, Query
    from carharvest.settings import Settings
    from carharvest.sources.base import Source

app = typer.Typer(help="Bring photos from a source into the catalog.", no_args_is_help=True)

_PER_QUERY = 80  # one page of Pexels


@app.command()
def pexels(
    brand: Brands = None,
    all_brands: AllBrands = False,
    view: Views = None,
    query: QueryText = None,
    limit: Limit = None,
    orientation: Annotated[str | None, typer.Option(help="landscape, portrait or square.")] = None,
    size: Annotated[str | None, typer.Option(help="Least size: large (24 MP), medium (12 MP), small (4 MP).")] = None,
    color: Annotated[str | None, typer.Option(help="A colour's name or a hex code such as #ffffff.")] = None,
    locale: Annotated[str | None, typer.Option(help="Language of the query, such as de-DE.")] = None,
    photo_size: Annotated[str, typer.Option(help="What to download: original, large2x, large, medium.")] = "large2x",
    no_wait: Annotated[
        bool, typer.Option("--no-wait", help="Stop when the quota is used up instead of waiting.")
    ] = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos from Pexels (needs PEXELS_API_KEY; 200 requests an hour, a request brings 80 photos)."""
    from carharvest.settings import load_settings
    from carharvest.sources.pexels import REQUESTS_PER_HOUR, PexelsSource
    from carharvest.sources.quota import HourlyQuota

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    asked = _queries(settings, brand, all_brands, view, query)
    key = settings.pexels_api_key.get_secret_value().strip() if settings.pexels_api_key else ""
    if not key:
        raise MissingKey(
            "PEXELS_API_KEY is not set",
            hint="get a free key at https://www.pexels.com/api/, then: export PEXELS_API_KEY=…",
        )
    wait = None if no_wait else screen.count_down
    source = PexelsSource(
        key=key,
        quota=HourlyQuota(settings.workspace / "quota" / "pexels.json", REQUESTS_PER_HOUR, wait),
        base_url=settings.pexels_url,
        orientation=orientation,
        size=size,
        color=color,
        locale=locale,
        photo_size=photo_size,
    )
    _scrape(screen, settings, source, asked, limit or _PER_QUERY, frozenset({settings.pexels_url}))


@app.command()
def google(
    brand: Brands = None,
    all_brands: AllBrands = False,
    view: Views = None,
    query: QueryText = None,
    limit: Limit = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos that Google's picture search links to (no key; licences are unknown)."""
    from carharvest.settings import load_settings
    from carharvest.sources.google import GoogleSource

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    asked = _queries(settings, brand, all_brands, view, query)
    _scrape(screen, settings, GoogleSource(settings.workspace / "pages"), asked, limit or _PER_QUERY)


@app.command()
def folder(
    path: Annotated[Path, typer.Argument(help="A tree of pictures, or a .zip.")],
    brand: Brands = None,
    view: Views = None,
    limit: Limit = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos from a folder or .zip; the brand comes from folder and file names unless --brand says it."""
    from carharvest.records import Query
    from carharvest.settings import load_settings
    from carharvest.sources.folder import FolderSource

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    if len(brand or []) > 1 or len(view or []) > 1:
        raise typer.BadParameter("a folder takes one --brand and one --view at most: they hold for all its photos")
    asked = _queries(settings, brand, False, view, "") if brand else [Query("", view=_view(view))]
    _scrape(screen, settings, FolderSource(path), asked, limit)


@app.command()
def sample(
    brand: Brands = None,
    view: Views = None,
    limit: Limit = None,
    photos: Annotated[
        int | None, typer.Option(min=30, help="How many photos the gallery has.", show_default="834")
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos from the bundled gallery: drawn cars with known truth, no key and no network needed."""
    from carharvest.settings import load_settings

    scrape_sample(Screen(quiet=quiet, as_json=as_json), load_settings(workspace=workspace), brand, view, limit, photos)


def scrape_sample(
    screen: Screen,
    settings: Settings,
    brand: list[str] | None = None,
    view: Any = None,
    limit: int | None = None,
    photos: int | None = None,
) -> None:
    """Serves the gallery on loopback and scrapes it with the code of `scrape pexels`."""
    from carharvest.sample.gallery import plan_gallery, truth
    from carharvest.sample.makes import MAKES
    from carharvest.sample.server import SAMPLE_KEY, SampleGallery
    from carharvest.sources.pexels import PexelsSource
    from carharvest.sources.quota import HourlyQuota

    asked = _queries(settings, brand or [make.key for make in MAKES], False, view, None)
    items = plan_gallery(photos=photos)
    notes = settings.workspace / "sample"
    notes.mkdir(parents=True, exist_ok=True)
    (notes / "truth.json").write_text(json.dumps(truth(items), indent=1) + "\n", encoding="utf-8")
    port_file = notes / "port"  # the same port again keeps the URLs, so a second scrape knows them
    port = int(port_file.read_text()) if port_file.exists() and port_file.read_text().strip().isdecimal() else 0
    with SampleGallery(items, port) as gallery:
        port_file.write_text(f"{gallery.port}\n", encoding="utf-8")
        source = PexelsSource(
            key=SAMPLE_KEY,
            quota=HourlyQuota(settings.workspace / "quota" / "sample.json", 100_000, screen.count_down),
            name="sample",
            base_url=gallery.origin,
        )
        _scrape(screen, settings, source, asked, limit, frozenset({gallery.origin}))


def _queries(settings: Settings, brand: list[str] | None, all_brands: bool, view: Any, text: str | None) -> list[Query]:
    from carharvest.brands import load_brands
    from carharvest.records import VIEW_WORDS, Query
    from carharvest.sources.base import queries

    mapping = load_brands(settings.brand_mapping)
    views = [v.value for v in view or []]
    if all_brands:
        return queries(mapping.brands.values(), views, text)
    if brand:
        chosen = {found.key: found for found in (mapping.resolve(name) for name in brand)}
        return queries(chosen.values(), views, text)
    if text and "{brand}" not in text:
        return [
            Query(" ".join(text.replace("{view}", VIEW_WORDS[v] if v else "").split()), view=v) for v in views or [None]
        ]
    raise typer.BadParameter(
        "say which brand: --brand BMW (repeatable), --all-brands, or --query", param_hint="--brand"
    )


def _view(view: Any) -> Any:
    return view[0].value if view else None


def _scrape(
    screen: Screen,
    settings: Settings,
    source: Source,
    asked: list[Query],
    limit: int | None,
    trusted_origins: frozenset[str] = frozenset(),
) -> None:
    from carharvest.blobs import BlobStore
    from carharvest.catalog.runs import locked, recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.engine import local_threads
    from carharvest.harvest.http import Fetcher
    from carharvest.harvest.loop import HarvestSummary, Intake, harvest

    limits = settings.harvest
    fetcher = Fetcher(
        limits.max_bytes, limits.timeout_s, limits.user_agent, limits.allow_private_hosts, trusted_origins
    )
    blobs, thumbnails = BlobStore(settings.workspace / "blobs"), BlobStore(settings.workspace / "thumbs")
    intake = Intake(fetcher, blobs, thumbnails, limits.max_pixels)
    total = HarvestSummary()
    arguments = {"source": source.name, "queries": [asdict(query) for query in asked], "limit": limit}
    command = f"scrape {source.name}"
    with (
        locked(settings.workspace, command),
        open_catalog(settings.workspace, create=True) as catalog,
        recorded_run(catalog, command, arguments, settings.seed) as run,
        local_threads(limits.workers) as executor,
        screen.progress(command) as move,
    ):
        try:
            for number, query in enumerate(asked, start=1):
                about = query.text or "pictures"
                prefix = f"{source.name}: {about}" + (f" ({number}/{len(asked)})" if len(asked) > 1 else "")
                candidates, expected = _listed(source.candidates(query, limit=limit), source.name)
                summary = harvest(
                    candidates,
                    catalog,
                    intake,
                    executor,
                    run_id=run.id,
                    in_flight=4 * limits.workers,
                    progress=_bar(move, prefix, expected or limit),
                )
                total.add(summary)
                run.counts.update(asdict(total))
        except KeyboardInterrupt:
            raise Interrupted(
                "stopped; all that was fetched is kept",
                hint="the same command goes on where it stopped",
            ) from None
    _tell(screen, source.name, asked, total)


def _listed(candidates: Iterable[Candidate], source: str) -> tuple[Iterable[Candidate], int | None]:
    """A folder is listed first: its length is the total of the bar."""
    if source != "folder":
        return candidates, None
    listed = list(candidates)
    return listed, len(listed)


def _bar(move: Callable[..., None], prefix: str, total: int | None) -> Callable[[HarvestSummary], None]:
    def show(summary: HarvestSummary) -> None:
        done = summary.new + summary.known + summary.failed
        rate = done / summary.seconds if summary.seconds > 0 else 0.0
        note = f"{rate:,.0f}/s  new {summary.new:,}  known {summary.known:,}  failed {summary.failed:,}"
        move(done, total=total, text=prefix, note=note)

    return show


def _tell(screen: Screen, source: str, asked: list[Query], total: HarvestSummary) -> None:
    if total.candidates == 0:
        words = ", ".join(repr(query.text) for query in asked[:3] if query.text) or "the folder"
        raise EmptyResult(f"{source} has nothing for {words}", hint="try other words with --query, or another source")
    if screen.as_json:
        screen.json(asdict(total))
    else:
        rate = total.candidates / total.seconds if total.seconds else 0.0
        screen.say(
            f"{source}: {total.candidates:,} candidates, {total.new:,} new photos, {total.known:,} known, "
            f"{total.failed:,} failed, in {total.seconds:.1f} s ({rate:,.0f}/s)"
        )
        if total.reasons:
            ranked = sorted(total.reasons.items(), key=lambda item: -item[1])
            screen.say("failed: " + ", ".join(f"{reason} {count:,}" for reason, count in ranked))
    if total.new + total.known == 0:
        raise EmptyResult("not one candidate could be fetched", hint="look at the reasons above; then run it again")
    screen.hint("next: carharvest normalize")
