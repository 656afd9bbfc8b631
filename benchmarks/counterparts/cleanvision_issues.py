"""cleanvision on a folder: python cleanvision_issues.py FOLDER -> JSON of issue -> file names on stdout."""

import contextlib
import json
import os
import sys
import time
from pathlib import Path

from cleanvision import Imagelab

if __name__ == "__main__":
    started = time.perf_counter()
    with Path(os.devnull).open("w") as quiet, contextlib.redirect_stdout(quiet):
        lab = Imagelab(data_path=sys.argv[1])
        lab.find_issues(verbose=False)
    found = {}
    for column in lab.issues.columns:
        if column.startswith("is_") and column.endswith("_issue"):
            rows = lab.issues.index[lab.issues[column]]
            found[column[3:-6]] = sorted(Path(name).name for name in rows)
    json.dump({"issues": found, "seconds": time.perf_counter() - started}, sys.stdout)
