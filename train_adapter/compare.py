"""Runs side by side: one table, and whether a difference is more than chance."""

import csv
import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from train_adapter.errors import TrainingError
from train_adapter.evaluate import Interval, resampled


@dataclass(frozen=True, slots=True)
class Compared:
    """A run in the table. `difference` is its accuracy less the first run's, on the test photos that both have."""

    result: dict[str, Any]
    difference: Interval | None
    shared: int


def compare(runs: Sequence[Path]) -> list[Compared]:
    """The results of finished runs, the first being what the others are held against. Raises TrainingError."""
    results = [_result(run) for run in runs]
    right = [_right(run) for run in runs]
    rows = [Compared(results[0], None, len(right[0]))]
    for result, of_run in zip(results[1:], right[1:], strict=True):
        shared = sorted(set(right[0]) & set(of_run))
        rows.append(Compared(result, _difference([of_run[f] - right[0][f] for f in shared]), len(shared)))
    return rows


def _difference(values: Sequence[int]) -> Interval | None:
    """Paired bootstrap over photos."""
    if not values:
        return None
    found = np.array(values, dtype=float)
    low, high = np.percentile(found[resampled(len(found))].mean(axis=1), [2.5, 97.5])
    return Interval(float(found.mean()), float(low), float(high))


def _result(run: Path) -> dict[str, Any]:
    file = run / "result.json"
    if not file.is_file():
        raise TrainingError(f"{run} is no finished run", hint="finish it with: carharvest train --resume")
    result: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return result


def _right(run: Path) -> dict[str, int]:
    """Whether each test photo was right, by class and name: a photo has the same ones in each split of a workspace."""
    with (run / "predictions.csv").open(newline="", encoding="utf-8") as file:
        return {
            "/".join(Path(row["file"]).parts[1:]): int(row["true"] == row["predicted"]) for row in csv.DictReader(file)
        }
