"""A clean one of somebody's split: what does not leak, in the folders and under the names that it has there."""

import csv
import os
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from carharvest.catalog.filed import FiledPicture
from carharvest.splits.leakpage import relative
from carharvest.splits.leaks import Removal
from carharvest.splits.whole import whole_folder


def write_mended(
    folder: Path,
    target: Path,
    files: Sequence[FiledPicture],
    gone: Sequence[Removal],
    *,
    links: bool = True,
    progress: Callable[[int], None] = lambda done: None,
) -> int:
    """Writes `target` without what has to go, and removed.csv, which says why; returns how many files it has.

    Nothing is changed in `folder`. Raises DiskFull.
    """
    without = {removal.url for removal in gone}
    kept = [file for file in files if file.url not in without]
    with whole_folder(target) as draft:
        for done, file in enumerate(kept, start=1):
            name = relative(file.url, folder)
            path = draft / name
            path.parent.mkdir(parents=True, exist_ok=True)
            _bring(folder / name, path, links)
            if done % 200 == 0 or done == len(kept):
                progress(done)
        with (draft / "removed.csv").open("w", encoding="utf-8", errors="replace", newline="") as table:
            writer = csv.writer(table)
            writer.writerow(["file", "why", "because_of"])
            for removal in gone:
                because = relative(removal.because_of, folder)
                writer.writerow([relative(removal.url, folder), removal.why, because])
    return len(kept)


def _bring(source: Path, target: Path, links: bool) -> None:
    source = source.resolve()  # a link to a link would lead elsewhere from another folder
    if links:
        try:
            os.link(source, target)
            return
        except OSError:
            pass  # another disk, or one without links: a copy does as well
    shutil.copyfile(source, target)
