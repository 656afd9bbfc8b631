"""Hugging Face's imagefolder (huggingface.co/docs/datasets/image_dataset): a folder a split with metadata.jsonl."""

import json
from pathlib import Path

from carharvest.records import Part, Placed
from carharvest.splits.describe import facts
from carharvest.splits.export import Export, Progress
from carharvest.splits.pictures import PictureCounts

_FOLDERS: dict[Part, str] = {"train": "train", "val": "validation", "test": "test"}  # the Hub's names of splits


def write_huggingface(draft: Path, export: Export, progress: Progress) -> PictureCounts:
    """`datasets.load_dataset("imagefolder", data_dir=…)` loads it, and so does `load_dataset` of the folder itself."""

    def file_of(p: Placed) -> str:
        return f"{_FOLDERS[p.part]}/{p.class_name}/{export.picture_name(p)}"

    found = export.write_pictures(draft, file_of, progress)
    for part, placed in export.parts.items():
        with (draft / _FOLDERS[part] / "metadata.jsonl").open("w", encoding="utf-8") as lines:
            for p in placed:
                told = facts(p, file_of(p), export.rendering)
                name = told.pop("file").partition("/")[2]
                line = {"file_name": name, "label": told.pop("class"), **told}
                lines.write(json.dumps(line, ensure_ascii=False) + "\n")
    patterns = {_FOLDERS[part]: f"{_FOLDERS[part]}/**" for part in export.parts}
    export.write_papers(draft, file_of, list(patterns.values()), data_files=patterns)
    return found
