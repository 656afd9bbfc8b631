"""imagededup's PHash on a folder: python imagededup_phash.py FOLDER DISTANCE -> JSON of pairs and seconds on stdout."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

import torch

# Beside a torch for CPUs only, torchvision, which imagededup imports, needs these two declared.
_LIBRARY = torch.library.Library("torchvision", "DEF")
for _name in ("nms", "qnms"):
    with contextlib.suppress(RuntimeError):
        _LIBRARY.define(f"{_name}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")

from imagededup.methods import PHash  # noqa: E402 - after the declaration

if __name__ == "__main__":
    folder, distance = sys.argv[1], int(sys.argv[2])
    started = time.perf_counter()
    with Path(os.devnull).open("w") as quiet, contextlib.redirect_stdout(quiet):
        hasher = PHash(verbose=False)
        encodings = hasher.encode_images(folder)
        found = hasher.find_duplicates(encoding_map=encodings, max_distance_threshold=distance)
    pairs = sorted({tuple(sorted((name, other))) for name, others in found.items() for other in others})
    json.dump({"pairs": pairs, "seconds": time.perf_counter() - started}, sys.stdout)
