"""YOLO (docs.ultralytics.com, "Object Detection Datasets"): images/, labels/ and data.yaml."""

from pathlib import Path

import yaml

from carharvest.records import Placed
from carharvest.splits.export import Export, Progress
from carharvest.splits.pictures import PictureCounts
from carharvest.splits.render import boxes_in, frame_of


def write_yolo(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """A photo without a box has an empty file of labels: a picture in which nothing is to be found."""
    number = {name: place for place, name in enumerate(export.classes)}

    def file_of(p: Placed) -> str:
        return f"images/{p.part}/{export.picture_name(p)}"

    found = export.write_pictures(draft, file_of, progress)
    for part, placed in export.parts.items():
        (draft / "labels" / part).mkdir(parents=True)
        for p in placed:
            frame = frame_of(p.photo, export.rendering)
            lines = []
            for box in boxes_in(frame, p.photo):
                across, down = 1 / frame.width_px, 1 / frame.height_px
                x, y = (box.left_px + box.right_px) / 2 * across, (box.top_px + box.bottom_px) / 2 * down
                width, height = (box.right_px - box.left_px) * across, (box.bottom_px - box.top_px) * down
                lines.append(f"{number[p.class_name]} {x:.6f} {y:.6f} {width:.6f} {height:.6f}")
            (draft / "labels" / part / f"{p.photo.file_name}.txt").write_text("".join(f"{line}\n" for line in lines))
    told: dict[str, object] = {"path": ".", **{part: f"images/{part}" for part in export.parts}}
    told["names"] = dict(enumerate(export.classes))
    (draft / "data.yaml").write_text(yaml.safe_dump(told, sort_keys=False, allow_unicode=True), encoding="utf-8")
    export.write_papers(draft, file_of, [f"images/{part}/**" for part in export.parts])
    return found
