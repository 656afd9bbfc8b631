"""WebDataset (github.com/webdataset/webdataset): tar files of pictures, each with its class number and its facts."""

import io
import json
import tarfile
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from carharvest.records import Placed
from carharvest.splits.describe import FileOf, facts
from carharvest.splits.export import Export, Progress
from carharvest.splits.pictures import PictureCounts

_SHARD = 1000  # pictures in a tar file
_SHARD_BYTES = 1_000_000_000


def write_webdataset(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """`train-000000.tar` … with `KEY.jpg`, `KEY.cls` (the class's line in labels.txt, from 0) and `KEY.json`.

    The same photos give the same bytes. Pictures are written once beside the tars and go into them from there.
    """
    number = {name: place for place, name in enumerate(export.classes)}

    def file_of(p: Placed) -> str:
        return export.picture_name(p)

    with tempfile.TemporaryDirectory(prefix=".pictures-", dir=draft) as beside:
        found = export.write_pictures(Path(beside), file_of, progress)
        for part, placed in export.parts.items():
            for shard, members in enumerate(_shards(placed, Path(beside), file_of)):
                with tarfile.open(draft / f"{part}-{shard:06d}.tar", "w", format=tarfile.USTAR_FORMAT) as tar:
                    for p in members:
                        told = json.dumps(facts(p, file_of(p), export.rendering), ensure_ascii=False)
                        _add(tar, file_of(p), (Path(beside) / file_of(p)).read_bytes())
                        _add(tar, f"{p.photo.file_name}.cls", str(number[p.class_name]).encode())
                        _add(tar, f"{p.photo.file_name}.json", told.encode())
    export.write_papers(draft, file_of, ["*.tar"], "application/x-tar")
    return found


def _shards(placed: Sequence[Placed], folder: Path, file_of: FileOf) -> Iterator[list[Placed]]:
    shard: list[Placed] = []
    size = 0
    for p in _mixed(placed):
        size += (folder / file_of(p)).stat().st_size
        if shard and (len(shard) == _SHARD or size > _SHARD_BYTES):
            yield shard
            shard, size = [], 0
        shard.append(p)
    if shard:
        yield shard


def _mixed(placed: Sequence[Placed]) -> list[Placed]:
    """In order of their random names: shards are read one after the other, so classes have to be mixed in them."""
    return sorted(placed, key=lambda p: p.photo.file_name)


def _add(tar: tarfile.TarFile, name: str, data: bytes) -> None:
    member = tarfile.TarInfo(name)
    member.size = len(data)
    member.mode = 0o644
    tar.addfile(member, io.BytesIO(data))
