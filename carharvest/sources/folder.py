"""Any tree of pictures on this machine, .zip archives included."""

import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from carharvest.errors import UnreadableFolder
from carharvest.records import ArchiveMember, Candidate, LocalFile, Query
from carharvest.text import printable

PICTURE_SUFFIXES = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".webp", ".gif", ".bmp", ".tif", ".tiff", ".avif", ".mpo"}
)
_ARCHIVE_SUFFIX = ".zip"


@dataclass(frozen=True, slots=True)
class FolderSource:
    """Pictures below `root` (or in the one archive that `root` names), in order of their paths.

    Links to folders are not followed; hidden files and folders are passed over.
    """

    root: Path
    name: str = "folder"
    per_request: int = 0

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises UnreadableFolder where the folder or an archive cannot be read."""
        for given, candidate in enumerate(self._all(query), start=1):
            yield candidate
            if limit is not None and given >= limit:
                return

    def _all(self, query: Query) -> Iterator[Candidate]:
        root = self.root.absolute()
        if root.is_file() and root.suffix.lower() == _ARCHIVE_SUFFIX:
            yield from self._members(root, "", query)
            return
        if not root.is_dir():
            raise UnreadableFolder(
                f"{self.root} is no folder and no .zip", hint="name a folder that holds pictures, or an archive"
            )
        for path in _files(root):
            folder = "/".join(path.parent.relative_to(root.parent).parts)
            suffix = path.suffix.lower()
            if suffix in PICTURE_SUFFIXES:
                stat = path.stat()
                place = LocalFile(str(path), f"{stat.st_size}-{stat.st_mtime_ns}")
                yield self._candidate(place, folder, path.name, query)
            elif suffix == _ARCHIVE_SUFFIX:
                yield from self._members(path, folder, query)

    def _members(self, archive: Path, folder: str, query: Query) -> Iterator[Candidate]:
        try:
            with zipfile.ZipFile(archive) as opened:
                members = sorted(opened.infolist(), key=lambda info: info.filename)
        except (OSError, zipfile.BadZipFile) as error:
            raise UnreadableFolder(f"{archive} cannot be read: {error}", hint="is the archive whole?") from error
        for info in members:
            parts = [part for part in info.filename.split("/") if part not in {"", ".", ".."}]
            hidden = any(part.startswith((".", "__MACOSX")) for part in parts)
            if info.is_dir() or hidden or not parts or Path(parts[-1]).suffix.lower() not in PICTURE_SUFFIXES:
                continue
            inside = "/".join(part for part in (folder, archive.stem, *parts[:-1]) if part)
            place = ArchiveMember(str(archive), info.filename, f"{info.CRC:08x}")
            yield self._candidate(place, inside, parts[-1], query)

    def _candidate(self, place: LocalFile | ArchiveMember, folder: str, file_name: str, query: Query) -> Candidate:
        return Candidate(
            source=self.name,
            place=place,
            query=query.text,
            brand_asked=query.brand,
            view_asked=query.view,
            folder=printable(folder),
            file_name=printable(file_name),
        )


def _files(folder: Path) -> Iterator[Path]:
    try:
        entries = sorted(folder.iterdir())
    except OSError as error:
        raise UnreadableFolder(f"{folder} cannot be read: {error.strerror}", hint="check its permissions") from error
    for entry in entries:
        if entry.name.startswith("."):
            continue
        if entry.is_dir():
            if not entry.is_symlink():
                yield from _files(entry)
        elif entry.is_file():
            yield entry
