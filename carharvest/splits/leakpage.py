"""The page of leaks: pictures that stand in two parts or two classes, beside each other, to be looked at."""

from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from carharvest.blobs import BlobStore, write_whole
from carharvest.pictures import small_data_uri
from carharvest.splits.leaks import Audit

_MOST = 200  # of each kind


def write_leaks(folder: Path, found: Audit, thumbnails: BlobStore, target: Path) -> None:
    """Writes one HTML file with its pictures inside; every name from outside is escaped."""
    chapters = [
        ("The same file in two parts", [leak.files for leak in found.leaks if leak.kind == "same-file"]),
        ("Copies in two parts", [leak.files for leak in found.leaks if leak.kind == "copy"]),
        ("Shots of the same scene in two parts", [leak.files for leak in found.leaks if leak.kind == "same-shot"]),
        ("The same picture in two classes", list(found.disagreeing)),
    ]
    shown = [file for _, groups in chapters for files in groups[:_MOST] for file in files]
    environment = Environment(
        loader=PackageLoader("carharvest.splits", "pages"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("leaks.html").render(
        folder=folder.name,
        audit=found,
        chapters=chapters,
        most=_MOST,
        hidden=any(len(groups) > _MOST for _, groups in chapters),
        pictures={sha: small_data_uri(thumbnails.path(sha, "jpg")) for sha in {file.sha256 for file in shown}},
        paths={file.url: relative(file.url, folder) for file in shown},
    )
    write_whole(target.absolute(), page.encode("utf-8", "replace"))


def relative(url: str, folder: Path) -> str:
    """The path of a file below the folder, from its URL."""
    path = url.removeprefix("file://")
    return path.removeprefix(f"{folder.absolute()}/")
