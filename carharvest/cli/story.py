"""carharvest status and why: what the workspace holds, and all that is known of one photo."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.photos import HELP, find_photos
from carharvest.cli.screen import Screen, readable_size

if TYPE_CHECKING:
    from carharvest.catalog.story import BrandCount, PhotoStory, Status

_RELATIONS = {"keeper": "keeper, nearest to", "copy": "copy of", "same-shot": "same shot as"}


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(status)
    app.command()(diversity)
    app.command()(why)


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
    _counts(screen, "flagged, but kept", now.flags)
    _counts(screen, "groups", now.groups)
    _counts(screen, "failures", now.failures)
    _counts(screen, "sightings by source", now.sources)
    if now.splits:
        screen.say("splits: " + ", ".join(now.splits))
    screen.hint("next: " + _next_step(now))


def diversity(workspace: Workspace = None, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """How varied the kept photos of each brand are: views, sources, sizes, photos of the same shot."""
    from carharvest.catalog.diversity import diversity as read_diversity
    from carharvest.catalog.store import open_catalog
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    with open_catalog(load_settings(workspace=workspace).workspace) as catalog:
        found = read_diversity(catalog)
    if as_json:
        screen.json([asdict(brand) for brand in found])
        return
    rows = [
        (
            of.brand,
            of.photos,
            of.shots,
            of.largest_group,
            ", ".join(f"{view or 'no view'} {count:,}" for view, count in of.views.items()),
            ", ".join(f"{source} {count:,}" for source, count in of.sources.items()),
            " / ".join(str(side) for side in of.side_px),
        )
        for of in found
    ]
    columns = ["brand", "photos", "shots", "largest group", "views", "sources", "shorter side px"]
    screen.table("kept photos", columns, rows)
    screen.hint("shots count photos of the same shot once; carharvest normalize --cap N keeps the N most different")


def why(
    photo: Annotated[str, typer.Argument(help=HELP)],
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The whole story of a photo: where it was seen, what each stage said and why, its group, its split."""
    from carharvest.catalog.store import open_catalog
    from carharvest.catalog.story import photo_story
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with open_catalog(settings.workspace) as catalog:
        ids = find_photos(catalog, photo)
        stories = [photo_story(catalog, photo_id) for photo_id in ids[:10]]
    if as_json:
        screen.json([_story_json(story) for story in stories])
        return
    for story in stories:
        _tell_story(screen, story)
    if len(ids) > len(stories):
        screen.say(f"… and {len(ids) - len(stories):,} more photos of that name")


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
