"""The forms that a split can be exported in, by name."""

from collections.abc import Mapping
from pathlib import Path

from carharvest.records import Placed
from carharvest.splits.coco import write_coco
from carharvest.splits.describe import file_in_folders
from carharvest.splits.export import Export, Form, Progress
from carharvest.splits.huggingface import write_huggingface
from carharvest.splits.manifest import write_manifest
from carharvest.splits.pictures import PictureCounts
from carharvest.splits.webdataset import write_webdataset
from carharvest.splits.yolo import write_yolo


def write_folders(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """An ImageFolder: `train/CLASS/KEY.jpg`."""

    def file_of(p: Placed) -> str:
        return file_in_folders(p, export.rendering)

    found = export.write_pictures(draft, file_of, progress)
    export.write_papers(draft, file_of, [f"{part}/**" for part in export.parts])
    return found


FORMS: Mapping[str, Form] = {
    "imagefolder": write_folders,
    "webdataset": write_webdataset,
    "huggingface": write_huggingface,
    "coco": write_coco,
    "yolo": write_yolo,
    "parquet": write_manifest,
}
OF_BOXES = {"coco", "yolo"}  # their readers know nothing of EXIF: pictures are turned upright
