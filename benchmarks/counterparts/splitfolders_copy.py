"""How long split-folders takes to copy a folder of classes into train, val and test."""

import json
import sys
import time

import splitfolders

started = time.perf_counter()
splitfolders.ratio(sys.argv[1], sys.argv[2], seed=42, ratio=(0.7, 0.15, 0.15))
print(json.dumps({"seconds": time.perf_counter() - started}))
