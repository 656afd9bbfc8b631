"""faiss' IndexBinaryFlat: python faiss_pairs.py HASHES.npy RADIUS -> JSON of how many pairs and seconds on stdout."""

import json
import sys
import time

import faiss
import numpy as np

if __name__ == "__main__":
    hashes, radius = np.load(sys.argv[1]), int(sys.argv[2])
    rows = hashes.view(np.uint8).reshape(len(hashes), 8)
    started = time.perf_counter()
    index = faiss.IndexBinaryFlat(64)
    index.add(rows)
    limits, distances, labels = index.range_search(rows, radius + 1)  # below, not up to
    queries = np.repeat(np.arange(len(rows)), np.diff(limits.astype(np.int64)))
    count = int((labels > queries).sum())
    json.dump({"pairs": count, "seconds": time.perf_counter() - started}, sys.stdout)
