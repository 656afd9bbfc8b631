"""carharvest split check and fix: whether the parts of any split share pictures, and one that is clean."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen
from carharvest.errors import BadSettings, EmptyResult, LeakySplit, NotFound

if TYPE_CHECKING:
    from carharvest.blobs import BlobStore
    from carharvest.catalog.filed import FiledPicture
    from carharvest.settings import Settings
    from carharvest.splits.leaks import Audit, Leak

_SHOWN = 12  # leaks of a kind in the table
_KINDS = {"same-file": "same file", "copy": "copy", "same-shot": "same shot"}

Folder = Annotated[str, typer.Argument(help="A folder with train, val, test (or other names of these), or a split.")]


@dataclass(frozen=True, slots=True)
class _Looked:
    """A folder, picture by picture."""

    folder: Path
    files: Sequence[FiledPicture]
    unreadable: Sequence[tuple[str, str]]
    thumbnails: BlobStore


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(check)
    app.command()(fix)


def check(
    folder: Folder = "default",
    page: Annotated[Path | None, typer.Option("--page", help="Write a page with all leaks, to be looked at.")] = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Look for pictures that stand in two parts of any ImageFolder: the same file, a copy, or the same shot.

    Ends with exit code 25 where there are any, so that it can guard a build. Nothing is written into the folder.
    """
    from carharvest.splits.leakpage import write_leaks
    from carharvest.splits.leaks import audit

    screen = Screen(quiet=quiet, as_json=as_json)
    with _looked(screen, workspace, folder) as looked:
        found = audit(looked.files, looked.unreadable)
        if page is not None:
            write_leaks(looked.folder, found, looked.thumbnails, page)
    if as_json:
        screen.json(_as_json(found, looked.folder))
    else:
        _tell(screen, found, looked.folder)
    if page is not None:
        screen.hint(f"look at {page}")
    if found.leaks:
        raise LeakySplit(
            f"{len(found.leaks):,} pictures or shots stand in more than one part",
            hint=f"a clean one: carharvest split fix {folder} --output CLEAN",
        )


def fix(
    folder: Folder,
    output: Annotated[Path, typer.Option("--output", "-o", help="The folder to write; it must not exist.")],
    copy: Annotated[bool, typer.Option("--copy", help="Copy files instead of linking to them.")] = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write a clean one of any ImageFolder: nothing in two parts, nothing twice, nothing in two classes.

    What test has, train loses; of copies the largest stays. removed.csv says of each file why it is not there.
    """
    from carharvest.splits.leaks import removals
    from carharvest.splits.mend import write_mended

    screen = Screen(quiet=quiet, as_json=as_json)
    if output.exists():
        raise BadSettings(f"{output} is there already", hint="name a folder that is not")
    with _looked(screen, workspace, folder) as looked:
        if output.resolve().is_relative_to(looked.folder.resolve()):
            raise BadSettings(f"{output} lies in {looked.folder}", hint="name a folder outside of it")
        gone = removals(looked.files, looked.unreadable)
        with screen.progress(f"write {output.name}", total=len(looked.files) - len(gone)) as move:
            kept = write_mended(looked.folder, output, looked.files, gone, links=not copy, progress=move)
    reasons: dict[str, int] = {}
    for removal in gone:
        reasons[removal.why] = reasons.get(removal.why, 0) + 1
    if as_json:
        screen.json({"path": str(output), "files": kept, "removed": reasons})
        return
    screen.say(f"{output}: {kept:,} files")
    for why, count in reasons.items():
        screen.say(f"left out: {count:,} {why.replace('-', ' ')}")
    screen.hint(f"{output / 'removed.csv'} says why, file by file")


@contextmanager
def _looked(screen: Screen, workspace: Path | None, named: str) -> Iterator[_Looked]:
    """Harvests and compares the folder in a workspace of its own, which is gone afterwards; its bytes stay there."""
    from carharvest.blobs import BlobStore
    from carharvest.catalog.filed import filed_pictures, unreadable
    from carharvest.settings import load_settings

    settings = load_settings(workspace=workspace)
    folder = Path(named)
    if not folder.is_dir():
        folder = settings.workspace / "splits" / named
    if not folder.is_dir():
        raise NotFound(f"{named} is neither a folder nor a split of {settings.workspace}", hint="name one that is")
    with tempfile.TemporaryDirectory(prefix="carharvest-check-") as temporary:
        own = settings.model_copy(update={"workspace": Path(temporary)})
        _compare(screen, own, folder)
        from carharvest.catalog.store import open_catalog

        with open_catalog(own.workspace) as catalog:
            files, broken = filed_pictures(catalog), unreadable(catalog)
        if not files:
            raise EmptyResult(f"there is no picture in {folder}", hint="name the folder above train and test")
        yield _Looked(folder, files, broken, BlobStore(own.workspace / "thumbs"))


def _compare(screen: Screen, settings: Settings, folder: Path) -> None:
    from carharvest.blobs import BlobStore
    from carharvest.brands import load_brands
    from carharvest.catalog.runs import recorded_run
    from carharvest.catalog.store import open_catalog
    from carharvest.cli.harvesting import decoding_executor
    from carharvest.harvest.http import Fetcher
    from carharvest.harvest.keep import Nowhere, Stores
    from carharvest.harvest.loop import harvest
    from carharvest.normalize.base import normalize
    from carharvest.normalize.stages import all_stages
    from carharvest.records import Query
    from carharvest.sources.annotated.imagefolder import ImageFolderSource

    s = settings.harvest
    stores = Stores(Nowhere(), BlobStore(settings.workspace / "thumbs"), s.max_bytes, s.max_pixels)
    candidates = ImageFolderSource(folder).candidates(Query(""), limit=None)
    with (
        open_catalog(settings.workspace, create=True) as catalog,
        recorded_run(catalog, "split check", {}, settings.seed) as run,
        screen.progress(f"look at {folder.name}") as move,
    ):
        with decoding_executor(settings) as executor:
            harvest(
                candidates, catalog, Fetcher(s.max_bytes, s.timeout_s, settings.user_agent), stores, executor,
                run_id=run.id,
                progress=lambda summary: move(summary.new + summary.known + summary.failed, total=summary.candidates),
            )  # fmt: skip

        def tell(what: str, done: int, total: int) -> None:
            move(done, total=total, text=what)

        stages = all_stages(settings, load_brands(settings.brand_mapping), catalog, tell)
        compared = normalize(catalog, stages, run_id=run.id, only=("hashes", "features", "duplicates"), progress=tell)
    for stage in compared:
        if stage.skipped:
            screen.warn(f"{stage.stage} did not run: {stage.skipped}")


def _tell(screen: Screen, found: Audit, folder: Path) -> None:
    parts = [part for part in ("train", "val", "test", "") if any(part in c for c in found.counts.values())]
    rows = [(name, *(of_part.get(part, 0) for part in parts)) for name, of_part in found.counts.items()]
    screen.table(str(folder), ["class", *(part or "no part" for part in parts)], rows)
    for kind, title in _KINDS.items():
        leaks = [leak for leak in found.leaks if leak.kind == kind]
        if leaks:
            shown = [_row(leak, folder) for leak in leaks[:_SHOWN]]
            screen.table(f"{title} in two parts: {len(leaks):,}", ["parts", "files"], shown)
            if len(leaks) > _SHOWN:
                screen.say(f"… and {len(leaks) - _SHOWN:,} more")
    if not [part for part in parts if part]:
        screen.say("it has no folders called train, val or test, so nothing can stand in two of them")
    told = {
        "pictures stand more than once in one part": len(found.repeated),
        "pictures stand in two classes": len(found.disagreeing),
        "files are no pictures": len(found.unreadable),
        f"classes are missing in a part ({', '.join(found.missing[:5])})": len(found.missing),
    }
    for what, count in told.items():
        if count:
            screen.say(f"{count:,} {what}")
    if not found.leaks and any(parts):
        screen.say(f"{found.files:,} pictures: none stands in two parts")


def _row(leak: Leak, folder: Path) -> tuple[str, str]:
    from carharvest.splits.leakpage import relative

    return " + ".join(leak.parts), "  |  ".join(relative(file.url, folder) for file in leak.files[:4])


def _as_json(found: Audit, folder: Path) -> dict[str, object]:
    from carharvest.splits.leakpage import relative

    def paths(files: Sequence[FiledPicture]) -> list[str]:
        return [relative(file.url, folder) for file in files]

    return {
        "files": found.files,
        "counts": found.counts,
        "leaks": [{"kind": leak.kind, "parts": leak.parts, "files": paths(leak.files)} for leak in found.leaks],
        "repeated": [paths(files) for files in found.repeated],
        "two_classes": [paths(files) for files in found.disagreeing],
        "unreadable": [{"file": relative(url, folder), "why": why} for url, why in found.unreadable],
        "classes_missing_in_a_part": found.missing,
    }
