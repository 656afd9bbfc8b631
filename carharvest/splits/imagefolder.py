"""A split as an ImageFolder with its evidence, all of it or nothing."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any

from carharvest.blobs import BlobStore
from carharvest.records import Placed
from carharvest.splits.describe import Credited, file_in_folders, write_evidence, write_json
from carharvest.splits.pictures import PictureCounts, write_pictures
from carharvest.splits.render import Rendering
from carharvest.splits.whole import whole_folder


def write_imagefolder(
    target: Path,
    placed: Sequence[Placed],
    description: Mapping[str, Any],
    rendering: Rendering,
    blobs: BlobStore,
    credited: Credited,
    *,
    more: Callable[[Path], None] = lambda draft: None,
    placing: Callable[[], AbstractContextManager[Any]] = nullcontext,
    progress: Callable[[int], None] = lambda done: None,
) -> PictureCounts:
    """Makes `target/{train,val,test}/CLASS/<random>.jpg`, split.json and what stands beside them.

    `more` writes further files into the draft. What stood at `target` before is replaced. Raises DiskFull.
    """

    def file_of(p: Placed) -> str:
        return file_in_folders(p, rendering)

    with whole_folder(target, placing) as draft:
        for part in ("train", "val", "test"):
            (draft / part).mkdir()
        with ThreadPoolExecutor(1, thread_name_prefix="evidence") as beside:  # links wait for the disk, this does not
            papers = beside.submit(write_evidence, draft, placed, file_of, rendering, credited)
            found = write_pictures(draft, ((p.photo, file_of(p)) for p in placed), blobs, rendering, progress=progress)
            papers.result()
        write_json(draft / "split.json", description)
        more(draft)
    return found
