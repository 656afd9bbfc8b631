"""The pictures of the report, as PNG bytes."""

import io
from collections.abc import Mapping, Sequence
from typing import Any

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
import torch
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from train_adapter.calibration import reliability
from train_adapter.evaluate import Evaluation, family_order
from train_adapter.folder import ClassFacts

INK, ACCENT, SECOND, GRID = "#1f2933", "#2563eb", "#d97706", "#e5e7eb"


def curves(rows: Sequence[dict[str, str]]) -> bytes:
    """Loss and accuracy over the epochs of all stages; a line marks where a stage begins."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    steps = np.arange(1, len(rows) + 1)
    left.plot(steps, [float(r["train_loss"]) for r in rows], color=SECOND, label="train (as it is trained)")
    left.plot(steps, [float(r["val_loss"]) for r in rows], color=ACCENT, label="val")
    right.plot(steps, [100 * float(r["train_accuracy"]) for r in rows], color=SECOND, label="train (changed by chance)")
    right.plot(steps, [100 * float(r["val_accuracy"]) for r in rows], color=ACCENT, label="val")
    left.set(title="Loss", xlabel="epoch", ylim=(0, None))
    right.set(title="Accuracy, %", xlabel="epoch", ylim=(0, 101))
    for axes in (left, right):
        for step in range(1, len(rows)):
            if rows[step]["stage"] != rows[step - 1]["stage"]:
                axes.axvline(step + 0.5, color=INK, linewidth=0.8, linestyle=":")
                axes.annotate(
                    rows[step]["stage"], (step + 0.5, 1), xycoords=("data", "axes fraction"), xytext=(4, -10),
                    textcoords="offset points", fontsize=8, color=INK,
                )  # fmt: skip
        _plain(axes)
        axes.legend(frameon=False, fontsize=8)
    return png(figure)


def confusion(evaluation: Evaluation, classes: Sequence[str], facts: Sequence[ClassFacts] = ()) -> bytes:
    """Rows are the true classes, columns the predicted ones, those of a company group side by side within a frame.

    Shade is the share of the row.
    """
    order = family_order(classes, facts)
    counts = np.array(evaluation.confusion, dtype=float)[np.ix_(order, order)]
    names = [classes[i] for i in order]
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(14.0, 3.2 + 0.42 * len(classes))
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 40:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = shares[row, column] > 0.55
            number = f"{counts[row, column]:.0f}"
            axes.text(column, row, number, ha="center", va="center", fontsize=8, color="w" if dark else INK)
    if facts:
        _frames(axes, [facts[i].group for i in order])
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, names, rotation=90 if len(classes) > 6 else 0, fontsize=8)
    axes.set_yticks(ticks, names, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    return png(figure)


def per_class(evaluation: Evaluation) -> bytes:
    """F1 of each class, best first."""
    scores = sorted((s for s in evaluation.per_class if s.photos), key=lambda s: s.f1)
    figure, axes = plt.subplots(figsize=(6, 0.8 + 0.28 * len(scores)), layout="constrained")
    axes.barh([f"{s.name} ({s.photos})" for s in scores], [s.f1 for s in scores], color=ACCENT)
    axes.set(xlim=(0, 1), xlabel=f"F1 on {evaluation.part} (photos)")
    _plain(axes, "x")
    axes.tick_params(axis="y", labelsize=8)
    return png(figure)


def reliability_diagram(evaluation: Evaluation) -> bytes:
    """Accuracy against confidence, before and after the temperature; points on the line say what they mean."""
    targets = torch.tensor(evaluation.targets)
    logits = evaluation.probabilities.clamp(min=1e-30).log() * evaluation.temperature
    figure, axes = plt.subplots(figsize=(4.2, 4), layout="constrained")
    axes.plot([0, 1], [0, 1], color=INK, linewidth=0.8, linestyle=":")
    kinds = (
        (logits.softmax(dim=1), SECOND, "o", f"as trained, error {evaluation.calibration_error_before:.3f}"),
        (
            evaluation.probabilities,
            ACCENT,
            "s",
            f"temperature {evaluation.temperature:.2f}, error {evaluation.calibration_error:.3f}",
        ),
    )
    for probabilities, colour, marker, label in kinds:
        points = reliability(probabilities, targets)
        most = max(photos for _, _, photos in points)
        axes.plot([c for c, _, _ in points], [a for _, a, _ in points], color=colour, linewidth=0.8, alpha=0.6)
        sizes = [12 + 90 * photos / most for _, _, photos in points]
        axes.scatter(
            [c for c, _, _ in points],
            [a for _, a, _ in points],
            s=sizes,
            color=colour,
            marker=marker,
            label=label,
            alpha=0.8,
        )
    axes.set(xlim=(0, 1.02), ylim=(-0.02, 1.02), xlabel="confidence", ylabel="accuracy")
    axes.legend(frameon=False, fontsize=7, loc="upper left")
    _plain(axes)
    return png(figure)


def png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return buffer.getvalue()


def _frames(axes: Axes, groups: Sequence[str]) -> None:
    start = 0
    for end in range(1, len(groups) + 1):
        if end == len(groups) or groups[end] != groups[start]:
            if groups[start] and end - start > 1:
                corner, side = (start - 0.5, start - 0.5), end - start
                axes.add_patch(Rectangle(corner, side, side, fill=False, edgecolor=SECOND, linewidth=1.6))
            start = end


def _plain(axes: Axes, which: str = "both") -> None:
    axes.grid(axis="x" if which == "x" else "both", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)


def tuning(rows: Sequence[Mapping[str, Any]], monitor: str) -> bytes:
    """The trials in their order with the best so far, and the value by each number that was varied."""
    done = sorted((row for row in rows if row["state"] == "complete"), key=lambda row: row["trial"])
    known = ("trial", "state", monitor, "seconds")
    varied = [key for key in dict.fromkeys(k for row in done for k in row) if key not in known]
    numbers = [key for key in varied if all(isinstance(row.get(key), int | float) for row in done)]
    columns = 3
    lines = -(-(1 + len(numbers)) // columns)
    figure, grid = plt.subplots(
        lines, columns, figsize=(3.6 * columns, 2.9 * lines), layout="constrained", squeeze=False
    )
    places = list(grid.flat)
    values = [row[monitor] for row in done]
    best = np.minimum.accumulate(values) if monitor == "val_loss" else np.maximum.accumulate(values)
    places[0].scatter([row["trial"] for row in done], values, color=ACCENT, s=18)
    places[0].step([row["trial"] for row in done], best, color=SECOND, where="post", label="best so far")
    places[0].set(xlabel="trial", ylabel=monitor)
    places[0].xaxis.get_major_locator().set_params(integer=True)
    places[0].legend(frameon=False, fontsize=8)
    for axes, key in zip(places[1:], numbers, strict=False):
        axes.scatter([row[key] for row in done], values, color=ACCENT, s=18)
        axes.set(xlabel=key.replace("optimizer.", ""))
        if key.endswith(("lr", "weight_decay")):
            axes.set_xscale("log")
            axes.tick_params(axis="x", which="both", labelsize=6, labelrotation=30)
    for axes in places:
        _plain(axes)
    for axes in places[1 + len(numbers) :]:
        axes.set_visible(False)
    return png(figure)
