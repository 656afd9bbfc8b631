"""What a run leaves when it is done: weights, tables, plots, the report, and last the result."""

import csv
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from safetensors.torch import save_file

from train_adapter import plots
from train_adapter.callbacks import read_metrics
from train_adapter.evaluate import Evaluation, family_order
from train_adapter.folder import Folder
from train_adapter.network import Network
from train_adapter.report import write_report


def leave(run: Path, network: Network, folder: Folder, tested: Evaluation, result: Mapping[str, Any]) -> None:
    """Fills the folder of a run."""
    state = {name: tensor.cpu().contiguous() for name, tensor in network.state_dict().items()}
    save_file(state, run / "model.safetensors", metadata={"classes": json.dumps(list(folder.classes))})
    write_tables(run, tested, folder)
    metrics = read_metrics(run / "metrics.csv")
    pictures = {
        "curves": plots.curves(metrics),
        "confusion": plots.confusion(tested, folder.classes, folder.class_facts),
        "per_class": plots.per_class(tested),
        "reliability": plots.reliability_diagram(tested),
    }
    for name, picture in pictures.items():
        (run / f"{name}.png").write_bytes(picture)
    write_report(run / "report.html", dict(result), tested, folder.classes, pictures)
    # The result comes last: it says that the run is whole.
    (run / "result.json").write_text(json.dumps(result, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")


def write_tables(run: Path, tested: Evaluation, folder: Folder) -> None:
    """per_class.csv, confusion.csv (by company group), predictions.csv."""
    classes = folder.classes
    with (run / "per_class.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["class", "precision", "recall", "f1", "photos"])
        for score in tested.per_class:
            writer.writerow(
                [score.name, f"{score.precision:.4f}", f"{score.recall:.4f}", f"{score.f1:.4f}", score.photos]
            )
    order = family_order(classes, folder.class_facts)
    with (run / "confusion.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["true \\ predicted", *(classes[i] for i in order)])
        for i in order:
            writer.writerow([classes[i], *(tested.confusion[i][j] for j in order)])
    with (run / "predictions.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(["file", "true", "predicted", "probability", "probability_of_true"])
        for path, target, row in zip(tested.files, tested.targets, tested.probabilities, strict=True):
            said = int(row.argmax())
            writer.writerow(
                [
                    path.relative_to(folder.root).as_posix(),
                    classes[target],
                    classes[said],
                    f"{row[said]:.6f}",
                    f"{row[target]:.6f}",
                ]
            )
