"""What the commands around training share: the tie to the trainer, and where runs and photos are."""

from __future__ import annotations

import glob
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.errors import (
    BadSettings,
    CarharvestError,
    LeakySplit,
    MissingExtra,
    NotFound,
    OneClass,
)

if TYPE_CHECKING:
    from carharvest.settings import Settings

RunName = Annotated[str, typer.Argument(help="A run's name, or its folder.")]
Device = Annotated[str, typer.Option(help="cpu, cuda or mps; auto takes the best there is.")]

_PICTURES = {".jpg", ".jpeg", ".png", ".webp", ".bmp", ".gif", ".tif", ".tiff", ".avif"}


@contextmanager
def trainer() -> Iterator[None]:
    """Errors of the trainer in our terms; packages that are not there become the command that installs them."""
    try:
        import train_adapter.errors
    except ModuleNotFoundError as error:
        raise _missing(error) from error
    try:
        yield
    except ModuleNotFoundError as error:
        if (error.name or "").partition(".")[0] in {"carharvest", "train_adapter"}:
            raise
        raise _missing(error) from error
    except train_adapter.errors.MissingPackage as error:
        raise MissingExtra(str(error), hint=error.hint) from error
    except train_adapter.errors.Leak as error:
        raise LeakySplit(str(error), hint=error.hint) from error
    except train_adapter.errors.TrainingError as error:
        kind = OneClass if error.one_class else CarharvestError
        raise kind(str(error), hint=error.hint) from error


def run_folder(settings: Settings, run: str) -> Path:
    """The folder of a run by name, or the path itself. Raises NotFound."""
    runs = settings.workspace / "runs"
    for place in (Path(run), runs / run):
        if place.exists():
            return place
    known = ", ".join(sorted(place.name for place in runs.iterdir())) if runs.is_dir() else ""
    raise NotFound(
        f"there is no run {run!r}", hint=f"there are: {known}" if known else "make one with: carharvest train"
    )


def checked_name(name: str) -> str:
    """A name that is safe as a folder's. Raises BadSettings."""
    if not name.replace("-", "").replace("_", "").replace(".", "").isalnum() or name.startswith("."):
        raise BadSettings(f"{name!r} is no name for a run", hint="use letters, digits, dots, dashes and underscores")
    return name


def split_folder(settings: Settings, split: str | None) -> tuple[str, Path]:
    """A split's name and folder; the newest if none is named. Raises NotFound."""
    from carharvest.catalog.placements import newest_split
    from carharvest.catalog.store import open_catalog

    if split is None:
        with open_catalog(settings.workspace) as catalog:
            split = newest_split(catalog)
    if split is None:
        raise NotFound("there is no split to train on", hint="run: carharvest split")
    return split, settings.workspace / "splits" / checked_name(split)


def photo_files(photos: Sequence[str]) -> tuple[Path, ...]:
    """Files, the pictures of folders, what patterns match, and for `-` the paths that stand on standard input."""
    files: list[Path] = []
    for given in photos:
        if given == "-":
            files += [Path(line.rstrip("\n")) for line in sys.stdin if line.strip()]
            continue
        path = Path(given)
        if path.is_dir():
            files += sorted(f for f in path.rglob("*") if f.suffix.lower() in _PICTURES)
        elif path.is_file():
            files.append(path)
        else:
            found = sorted(Path(match) for match in glob.glob(given, recursive=True))  # noqa: PTH207  also absolute patterns
            if not found:
                raise NotFound(f"there is no photo {given!r}", hint="name a file, a folder or a pattern")
            files += found
    if not files:
        raise NotFound("there is no photo to predict", hint="name a file, a folder or a pattern, or - for a list")
    return tuple(files)


def moving(move: Callable[..., None]) -> Callable[[str, int, int], None]:
    """The trainer's progress on our bar."""
    return lambda what, done, total: move(done, total=total, text=what)


def percent(value: float) -> str:
    return f"{100 * value:.1f} %"


def _missing(error: ModuleNotFoundError) -> MissingExtra:
    return MissingExtra(f"training needs the package {error.name}", hint='pip install "carharvest[train]"')
