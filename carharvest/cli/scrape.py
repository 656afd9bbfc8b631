"""carharvest scrape: brings photos from sources into the catalog."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from urllib.parse import urlsplit

import typer
from typer.core import TyperGroup

from carharvest.cli.harvesting import Harvest, run_harvest, show_costs
from carharvest.cli.options import (
    AllBrands,
    AllowPrivate,
    Brands,
    Debug,
    DryRun,
    Fresh,
    IgnoreRobotsTag,
    Json,
    Licenses,
    Limit,
    NoWait,
    QueryText,
    Quiet,
    Views,
    Workspace,
)
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from carharvest.records import Query
    from carharvest.settings import Settings
    from carharvest.sources.base import Desk, Source
    from carharvest.sources.plan import Ask


class SourceGroup(TyperGroup):
    """The scrape commands, and one for each source that another package registers."""

    def list_commands(self, ctx: Any) -> list[str]:
        from carharvest.sources.registry import source_names

        ours: list[str] = super().list_commands(ctx)
        return [*ours, *(name for name in source_names() if name not in ours)]

    def get_command(self, ctx: Any, cmd_name: str) -> Any:
        from carharvest.sources.registry import source_names

        ours = super().get_command(ctx, cmd_name)
        if ours is not None or cmd_name not in source_names():
            return ours
        lone = typer.Typer()
        lone.command(cmd_name, help=f"Photos from the source {cmd_name}, of another package.")(_searcher(cmd_name))
        return typer.main.get_command(lone)


app = typer.Typer(cls=SourceGroup, help="Bring photos from a source into the catalog.", no_args_is_help=True)

_SEARCHED = {
    "google": "Photos that Google's picture search links to (needs a browser: the extra `browser`; licences unknown).",
    "bing": "Photos that Bing's picture search links to (no key; licences are unknown).",
    "flickr": "Photos from Flickr (needs FLICKR_API_KEY; 3,600 requests an hour).",
    "openverse": "Openly licensed photos from many collections (no key; one request a second, 20 photos each).",
    "commons": "Photos from Wikimedia Commons, with licence and author (no key).",
    "all": "Photos from every source that is configured; one that fails does not stop the others.",
}


def _searcher(name: str) -> Callable[..., None]:
    """The command of a source that is searched by brand and view."""

    def command(
        brand: Brands = None,
        all_brands: AllBrands = False,
        view: Views = None,
        query: QueryText = None,
        limit: Limit = None,
        license: Licenses = None,
        dry_run: DryRun = False,
        fresh: Fresh = False,
        no_wait: NoWait = False,
        allow_private_hosts: AllowPrivate = False,
        ignore_robots_tag: IgnoreRobotsTag = False,
        workspace: Workspace = None,
        as_json: Json = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        from carharvest.sources.registry import configured_sources, make_source

        screen = Screen(quiet=quiet, as_json=as_json)
        settings = settings_for(workspace, allow_private_hosts, ignore_robots_tag)
        asked = _queries(settings, brand, all_brands, view, query)
        desk = _desk(screen, settings, no_wait, fresh, license)
        sources, lacking = configured_sources(desk) if name == "all" else ([make_source(name, desk)], {})
        asks = _asks(sources, asked, limit)
        _run(screen, settings, Harvest(f"scrape {name}", asks, desk.licenses, failed=lacking), dry_run)

    return command


for _name, _help in _SEARCHED.items():
    app.command(_name, help=_help)(_searcher(_name))


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
    license: Licenses = None,
    dry_run: DryRun = False,
    fresh: Fresh = False,
    no_wait: NoWait = False,
    ignore_robots_tag: IgnoreRobotsTag = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos from Pexels (needs PEXELS_API_KEY; 200 requests an hour, a request brings 80 photos)."""
    from carharvest.sources.pexels import make

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = settings_for(workspace, False, ignore_robots_tag)
    asked = _queries(settings, brand, all_brands, view, query)
    desk = _desk(screen, settings, no_wait, fresh, license)
    source = replace(make(desk), orientation=orientation, size=size, color=color, locale=locale, photo_size=photo_size)
    _run(screen, settings, Harvest("scrape pexels", _asks([source], asked, limit), desk.licenses), dry_run)


@app.command()
def plan(
    file: Annotated[Path, typer.Argument(help="A harvest plan, such as harvest.toml.")] = Path("harvest.toml"),
    dry_run: DryRun = False,
    fresh: Fresh = False,
    no_wait: NoWait = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Brands, views, queries, sources, limits and quotas from a file; run it again and it goes on."""
    from carharvest.brands import load_brands
    from carharvest.errors import CarharvestError
    from carharvest.sources.plan import read_plan
    from carharvest.sources.registry import make_source

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = settings_for(workspace)
    written = read_plan(file)
    mapping = load_brands(settings.brand_mapping)
    desk = _desk(screen, settings, no_wait, fresh, written.licenses)
    sources: list[Source] = []
    lacking: dict[str, CarharvestError] = {}
    for name in written.sources:
        try:
            sources.append(make_source(name, desk))
        except CarharvestError as error:
            lacking[name] = error
    harvest = Harvest(
        f"scrape plan {file.name}", written.asks(mapping, sources), desk.licenses, written.quota_of(mapping),
        failed=lacking,
    )  # fmt: skip
    _run(screen, settings, harvest, dry_run)


@app.command()
def urls(
    file: Annotated[Path, typer.Argument(help="Text, .csv, .tsv, .jsonl (.gz of these) or .parquet.")],
    brand: Brands = None,
    view: Views = None,
    limit: Limit = None,
    license: Licenses = None,
    allow_private_hosts: AllowPrivate = False,
    ignore_robots_tag: IgnoreRobotsTag = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Photos at the addresses in a file; it may also have columns for brand, view, title, licence, author, page."""
    from carharvest.brands import load_brands
    from carharvest.sources.urls import UrlsSource

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = settings_for(workspace, allow_private_hosts, ignore_robots_tag)
    mapping = load_brands(settings.brand_mapping)
    source = UrlsSource(file, lambda name: mapping.resolve(name).key)
    asks = _asks([source], [one_query(settings, brand, view)], limit, default=None)
    _run(screen, settings, Harvest("scrape urls", asks, _licenses(license)))


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
    from carharvest.sources.folder import FolderSource

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = settings_for(workspace)
    asks = _asks([FolderSource(path)], [one_query(settings, brand, view)], limit, default=None)
    _run(screen, settings, Harvest("scrape folder", asks))


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
    scrape_sample(Screen(quiet=quiet, as_json=as_json), settings_for(workspace), brand, view, limit, photos)


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
    from carharvest.sources.api import Api, cached_session
    from carharvest.sources.base import Desk
    from carharvest.sources.pexels import PexelsSource, is_documented
    from carharvest.sources.quota import HOUR_S, Window

    asked = _queries(settings, brand or [make.key for make in MAKES], False, view, None)
    items = plan_gallery(photos=photos)
    notes = settings.workspace / "sample"
    notes.mkdir(parents=True, exist_ok=True)
    (notes / "truth.json").write_text(json.dumps(truth(items), indent=1) + "\n", encoding="utf-8")
    port_file = notes / "port"  # the same port again keeps the URLs, so a second scrape knows them
    port = int(port_file.read_text()) if port_file.exists() and port_file.read_text().strip().isdecimal() else 0
    with SampleGallery(items, port) as gallery:
        port_file.write_text(f"{gallery.port}\n", encoding="utf-8")
        quota = Desk(settings, screen.count_down).quota("sample", Window(100_000, HOUR_S))
        api = Api("sample", cached_session(None, settings.user_agent), quota, is_documented)
        source = PexelsSource(SAMPLE_KEY, api, name="sample", base_url=gallery.origin)
        asks = _asks([source], asked, limit, default=None)
        run_harvest(screen, settings, Harvest("scrape sample", asks, trusted_origins=frozenset({gallery.origin})))


def settings_for(
    workspace: Path | None, allow_private_hosts: bool = False, ignore_robots_tag: bool = False
) -> Settings:
    """The settings of a harvest: those of the workspace, and what the command's own flags say."""
    from carharvest.settings import load_settings

    settings = load_settings(workspace=workspace)
    changes: dict[str, bool] = {"allow_private_hosts": True} if allow_private_hosts else {}
    if ignore_robots_tag:
        changes["heed_robots_tag"] = False
    return settings.model_copy(update={"harvest": settings.harvest.model_copy(update=changes)})


def _desk(screen: Screen, settings: Settings, no_wait: bool, fresh: bool, license_: Sequence[str] | None) -> Desk:
    from carharvest.sources.base import Desk

    return Desk(settings, None if no_wait else screen.count_down, fresh, _licenses(license_))


def _licenses(given: Sequence[str] | None) -> frozenset[str]:
    from carharvest.licenses import allowed_licenses

    return allowed_licenses(name.strip() for text in given or [] for name in text.split(",") if name.strip())


def _queries(settings: Settings, brand: list[str] | None, all_brands: bool, view: Any, text: str | None) -> list[Query]:
    from carharvest.brands import load_brands
    from carharvest.records import Query
    from carharvest.sources.base import filled, queries

    mapping = load_brands(settings.brand_mapping)
    views = [v.value for v in view or []]
    if all_brands:
        return queries(mapping.brands.values(), views, text)
    if brand:
        chosen = {found.key: found for found in (mapping.resolve(name) for name in brand)}
        return queries(chosen.values(), views, text)
    if text and "{brand}" not in text:
        return [Query(filled(text, "", v), view=v) for v in views or [None]]
    raise typer.BadParameter(
        "say which brand: --brand BMW (repeatable), --all-brands, or --query", param_hint="--brand"
    )


def one_query(settings: Settings, brand: list[str] | None, view: Any) -> Query:
    """The brand and view that hold for all photos of a folder or a list."""
    from carharvest.brands import load_brands
    from carharvest.records import Query

    if len(brand or []) > 1 or len(view or []) > 1:
        raise typer.BadParameter("one --brand and one --view at most: they hold for all its photos")
    key = load_brands(settings.brand_mapping).resolve(brand[0]).key if brand else None
    return Query("", key, view[0].value if view else None)


def _asks(sources: Sequence[Source], asked: Sequence[Query], limit: int | None, default: int | None = 80) -> list[Ask]:
    from carharvest.sources.plan import Ask

    return [Ask(source, query, limit or default) for source in sources for query in asked]


def _run(screen: Screen, settings: Settings, harvest: Harvest, dry_run: bool = False) -> None:
    """Runs it, or says what it would ask. Photos at a source's own address may be wherever that was set to."""
    if dry_run:
        show_costs(screen, harvest)
        return
    sections = (settings.pexels, settings.flickr, settings.openverse, settings.commons, settings.bing, settings.google)
    parts = [urlsplit(section.url) for section in sections]
    origins = frozenset(f"{part.scheme}://{part.netloc}" for part in parts)
    run_harvest(screen, settings, replace(harvest, trusted_origins=origins))
