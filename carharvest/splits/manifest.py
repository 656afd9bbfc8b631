"""A Parquet table with a row a photo: everything that is known of it, its credit, and, if asked, its bytes."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from carharvest.errors import MissingExtra
from carharvest.records import Placed
from carharvest.splits.attribution import credits_of
from carharvest.splits.describe import facts, file_in_folders
from carharvest.splits.export import Export, Progress
from carharvest.splits.pictures import PictureCounts

_CHUNK = 1000
_CREDIT = ["author", "author_url", "license_name", "license_url", "page_url", "url", "title"]


def write_manifest(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """manifest.parquet beside card and credits; `file` is the place in the split's own folder. No pictures."""
    try:
        import pyarrow as pa
        import pyarrow.parquet as pq
    except ImportError:
        raise MissingExtra("Parquet needs pyarrow", hint='pip install "carharvest[parquet]"') from None

    def file_of(p: Placed) -> str:
        return file_in_folders(p, export.rendering)

    schema = pa.schema(
        [(name, pa.string()) for name in ("file", "part", "class", "sha256", "brand", "model")]
        + [("year", pa.int32())]
        + [(name, pa.string()) for name in ("view", "group")]
        + [("width_px", pa.int32()), ("height_px", pa.int32()), ("boxes", pa.list_(pa.list_(pa.int32())))]
        + [(name, pa.string()) for name in ("source", "license", *_CREDIT)]
    )
    done = 0
    with pq.ParquetWriter(draft / "manifest.parquet", schema, compression="zstd") as writer:
        for rows in _rows(export, file_of):
            writer.write_table(pa.Table.from_pylist(rows, schema=schema))
            done += len(rows)
            progress(done)
    export.write_papers(draft, file_of, ["manifest.parquet"], "application/x-parquet")
    return PictureCounts()


def _rows(export: Export, file_of: Any) -> Iterator[list[dict[str, Any]]]:
    for start in range(0, len(export.placed), _CHUNK):
        chunk = export.placed[start : start + _CHUNK]
        credited = export.credited([p.photo.id for p in chunk])
        credits_ = credits_of(((file_of(p), p.photo) for p in chunk), credited)
        yield [
            facts(p, file_of(p), export.rendering) | {name: getattr(credit, name) for name in _CREDIT}
            for p, credit in zip(chunk, credits_, strict=True)
        ]
