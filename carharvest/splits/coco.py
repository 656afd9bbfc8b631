"""COCO (cocodataset.org, "Data format"): pictures by part, and a JSON file a part with boxes and classes."""

import json
from pathlib import Path
from typing import Any

from carharvest.licenses import LICENSES
from carharvest.records import Placed
from carharvest.splits.export import Export, Progress
from carharvest.splits.pictures import PictureCounts
from carharvest.splits.render import boxes_in, frame_of


def write_coco(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """`annotations/instances_train.json` … and `train/KEY.jpg` …; a photo without a box is an image without one."""
    category = {name: place for place, name in enumerate(export.classes, start=1)}
    licenses = sorted({p.photo.license for p in export.placed})

    def file_of(p: Placed) -> str:
        return f"{p.part}/{export.picture_name(p)}"

    found = export.write_pictures(draft, file_of, progress)
    (draft / "annotations").mkdir()
    for part, placed in export.parts.items():
        images: list[dict[str, Any]] = []
        boxes: list[dict[str, Any]] = []
        for number, p in enumerate(placed, start=1):
            frame = frame_of(p.photo, export.rendering)
            images.append(
                {
                    "id": number,
                    "file_name": export.picture_name(p),
                    "width": frame.width_px,
                    "height": frame.height_px,
                    "license": licenses.index(p.photo.license),
                }
            )
            for box in boxes_in(frame, p.photo):
                size = box.right_px - box.left_px, box.bottom_px - box.top_px
                boxes.append(
                    {
                        "id": len(boxes) + 1,
                        "image_id": number,
                        "category_id": category[p.class_name],
                        "bbox": [box.left_px, box.top_px, *size],
                        "area": box.area_px,
                        "iscrowd": 0,
                    }
                )
        told = {
            "info": {"description": export.name},
            "licenses": [_license(number, id_) for number, id_ in enumerate(licenses)],
            "categories": [{"id": id_, "name": name, "supercategory": "car"} for name, id_ in category.items()],
            "images": images,
            "annotations": boxes,
        }
        file = draft / "annotations" / f"instances_{part}.json"
        file.write_text(json.dumps(told, ensure_ascii=False) + "\n", encoding="utf-8")
    export.write_papers(draft, file_of, [f"{part}/**" for part in export.parts])
    return found


def _license(number: int, id_: str) -> dict[str, Any]:
    known = LICENSES.get(id_)
    return {"id": number, "name": known.name if known else "unknown", "url": known.url if known else ""}
