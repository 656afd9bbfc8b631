"""carharvest normalize, status, why, brands."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Seed, Workspace
from carharvest.cli.screen import Screen, readable_size
from carharvest.errors import NotFound

if TYPE_CHECKING:
    from carharvest.brands import Brand, BrandMapping
    from carharvest.catalog.story import BrandCount, PhotoStory, Status
    from carharvest.settings import Settings

_RELATIONS = {"keeper": "keeper, nearest to", "copy": "copy of", "same-shot": "same shot as"}


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(normalize)
    app.command()(status)
    app.command()(why)
    app.command()(brands)


def normalize(
    workspace: Workspace = None, seed: Seed = None, as_json: Json = False, quiet: Quiet = False, debug: Debug = False
) -> None:
    """Say of each photo what it shows and whether to keep it: names, brands, views, quality, duplicates, rename.

    Nothing is moved or deleted: these are opinions in the catalog, and running it again looks only at what is new.
    """
    from carharvest.settings import load_settings

    run_normalize(Screen(quiet=quiet, as_json=as_json), load_settings(workspace=workspace, seed=seed))


def run_normalize(screen: Screen, settings: Settings) -> None:
    """Runs all stages and prints what each did."""
    from carharvest.brands import load_brands
    from carharvest.catalog.runs import locked, recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import status as read_status
    from carharvest.normalize.base import normalize as run_stages
    from carharvest.normalize.stages import all_stages

    mapping = load_brands(settings.brand_mapping)
    arguments = {"quality": settings.quality.model_dump(), "duplicates": settings.duplicates.model_dump()}
    with open_catalog(settings.workspace) as catalog, locked(settings.workspace, "normalize"):
        stages = all_stages(settings, mapping, catalog)
        with recorded_run(catalog, "normalize", arguments, settings.seed) as run, screen.progress("normalize") as move:
            summaries = run_stages(
                catalog,
                stages,
                run_id=run.id,
                progress=lambda stage, done, total: move(done, total=total, text=f"normalize: {stage}"),
            )
            now = read_status(catalog)
            run.counts.update({"photos": now.photos, "kept": now.kept})
    if screen.as_json:
        screen.json({"stages": [asdict(s) for s in summaries], "photos": now.photos, "kept": now.kept})
    else:
        rows = []
        for s in summaries:
            said = [f"{reason} {count:,}" for reason, count in sorted(s.dropped.items(), key=lambda i: -i[1])]
            groups = [f"{relation} {count:,}" for relation, count in sorted(s.grouped.items())]
            rows.append((s.stage, s.looked_at, s.labelled, sum(s.dropped.values()), ", ".join(said), ", ".join(groups)))
        screen.table("normalize", ["stage", "looked at", "labelled", "would drop", "why", "groups"], rows)
        screen.say(f"{now.kept:,} of {now.photos:,} photos are kept.")
    if now.kept == 0:
        screen.hint("no photo is left: carharvest status says why")
    else:
        screen.hint("next: carharvest split   (carharvest status and carharvest why PHOTO tell more)")


def status(workspace: Workspace = None, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """What the workspace holds, brand by brand, why photos were dropped, and what to do next."""
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import status as read_status
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with open_catalog(settings.workspace) as catalog:
        now = read_status(catalog)
    if as_json:
        screen.json(asdict(now))
        return
    screen.say(
        f"{settings.workspace}: {now.photos:,} photos ({readable_size(now.size_bytes)}), {now.sightings:,} sightings, "
        f"{'not normalized yet' if now.kept is None else f'{now.kept:,} kept'}"
    )
    if now.kept is not None:
        screen.table("brands", ["brand", "photos", "kept", ""], _bars(now.brands))
    _counts(screen, "dropped", now.drops)
    _counts(screen, "groups", now.groups)
    _counts(screen, "failures", now.failures)
    _counts(screen, "sightings by source", now.sources)
    if now.splits:
        screen.say("splits: " + ", ".join(now.splits))
    screen.hint("next: " + _next_step(now))


def why(
    photo: Annotated[
        str,
        typer.Argument(help="(The start of) a sha256, a random name, a URL, a file name, or a file with its bytes."),
    ],
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The whole story of a photo: where it was seen, what each stage said and why, its group, its split."""
    from carharvest.blobs import file_sha256
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import find_photo_ids, photo_story
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with open_catalog(settings.workspace) as catalog:
        ids = find_photo_ids(catalog, file_sha256(Path(photo))) if Path(photo).is_file() else []
        ids = ids or find_photo_ids(catalog, photo)
        if not ids:
            raise NotFound(
                f"no photo is known as {photo!r}",
                hint="name the start of its sha256, its random name, its URL, or a file with the same bytes",
            )
        stories = [photo_story(catalog, photo_id) for photo_id in ids[:10]]
    if as_json:
        screen.json([_story_json(story) for story in stories])
        return
    for story in stories:
        _tell_story(screen, story)
    if len(ids) > len(stories):
        screen.say(f"… and {len(ids) - len(stories):,} more photos of that name")


def brands(
    name: Annotated[str | None, typer.Argument(help="One brand, by any of its names.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The brands of brand_mapping.yaml, or all that is known of one."""
    from carharvest.brands import load_brands
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    mapping = load_brands(load_settings(workspace=workspace).brand_mapping)
    if name is not None:
        _tell_brand(screen, mapping.resolve(name))
        return
    if as_json:
        screen.json([asdict(brand) for brand in mapping.brands.values()])
        return
    rows = [(b.key, b.name, b.country, b.group, b.tier, b.pair or "", len(b.aliases)) for b in _sorted(mapping)]
    screen.table(str(mapping.path), ["brand", "name", "country", "group", "tier", "pair", "aliases"], rows)
    screen.say(f"{len(rows)} brands, {sum(len(b.aliases) for b in mapping.brands.values()):,} aliases")


def _sorted(mapping: BrandMapping) -> list[Brand]:
    return sorted(mapping.brands.values(), key=lambda brand: brand.key)


def _tell_brand(screen: Screen, brand: Brand) -> None:
    if screen.as_json:
        screen.json(asdict(brand))
        return
    rows: list[tuple[str, object]] = [
        (name, value) for name, value in asdict(brand).items() if name not in {"aliases", "context"}
    ]
    rows.append(("aliases", ", ".join(brand.aliases)))
    if brand.context:
        rows.append(("counts with", ", ".join(brand.context)))
    screen.table(brand.name, ["", ""], [(name, "" if value is None else str(value)) for name, value in rows])


def _bars(counts: tuple[BrandCount, ...]) -> list[tuple[object, ...]]:
    most = max((count.photos for count in counts), default=1)
    rows: list[tuple[object, ...]] = []
    for count in sorted(counts, key=lambda c: -c.photos):
        kept, rest = round(30 * count.kept / most), round(30 * (count.photos - count.kept) / most)
        rows.append((count.brand or "(no brand)", count.photos, count.kept, "█" * kept + "░" * rest))
    return rows


def _counts(screen: Screen, title: str, counts: Any) -> None:
    if counts:
        screen.table(title, ["", "photos" if title != "failures" else "candidates"], list(counts.items()))


def _next_step(now: Status) -> str:
    if not now.photos:
        return "carharvest scrape pexels --brand BMW --brand Audi"
    if now.kept is None or now.new_since_normalize:
        return "carharvest normalize" + (
            f"   ({now.new_since_normalize:,} photos are new)" if now.kept is not None else ""
        )
    brands_kept = [count.brand for count in now.brands if count.kept and count.brand]
    if len(brands_kept) < 2:
        return "scrape another brand: a classifier needs two"
    return "carharvest train" if now.splits else "carharvest split"


def _story_json(story: PhotoStory) -> dict[str, Any]:
    told = asdict(story)
    told["kept"] = story.kept
    for name in ("detail_hash", "chroma"):
        told["fingerprint"][name] = told["fingerprint"][name].hex()
    for name in ("phash", "phash_mirrored", "phash_flipped", "phash_rotated"):
        told["fingerprint"][name] = f"{told['fingerprint'][name]:016x}"
    return told


def _tell_story(screen: Screen, story: PhotoStory) -> None:
    print_ = story.fingerprint
    screen.say(f"photo {story.sha256}")
    screen.say(
        f"  {print_.format}, {print_.width_px} x {print_.height_px} px, {readable_size(story.size_bytes)}, "
        f"pHash {print_.phash:016x}, brightness {print_.brightness:.2f}, contrast {print_.contrast:.2f}, "
        f"sharpness {print_.blur_var:.0f}; in the catalog since {story.added_at}"
    )
    screen.say("seen as")
    for seen in story.sightings:
        screen.say(f"  {seen.source}: {seen.url}")
        facts = {
            "query": seen.query, "brand asked": seen.brand_asked, "view asked": seen.view_asked, "folder": seen.folder,
            "file": seen.file_name, "title": seen.title, "alt": seen.alt, "by": seen.author, "licence": seen.license,
            "page": seen.page_url,
        }  # fmt: skip
        for name, value in facts.items():
            if value:
                screen.say(f"    {name}: {value}")
    screen.say("labels")
    for label in story.labels:
        extra = "".join(f", {k} {v!r}" for k, v in label.evidence.items())
        screen.say(f"  {label.kind} = {label.value}  ({label.stage}: {label.method}, {label.confidence:.2f}{extra})")
    screen.say("verdict: " + ("kept" if story.kept else "dropped"))
    for verdict in story.verdicts:
        numbers = ", ".join(f"{name} {value}" for name, value in verdict.evidence.items())
        screen.say(f"  {verdict.stage}: {'keep' if verdict.keep else 'drop'}, {verdict.reason} ({numbers})")
    if story.group:
        screen.say(
            f"group of {len(story.group)} photos of the same shot (the keeper is the largest, then the sharpest)"
        )
        for member in story.group:
            mark = "*" if member.sha256 == story.sha256 else " "
            numbers = ", ".join(f"{name} {value}" for name, value in member.evidence.items() if value != "none")
            relation = _RELATIONS[member.relation]
            screen.say(f"  {mark} {member.sha256[:12]} {relation} {member.of_sha256[:12]}: {numbers}")
    for place in story.placements:
        screen.say(f"split {place.split}: {place.part}/{place.class_name}/{place.file_name}")
