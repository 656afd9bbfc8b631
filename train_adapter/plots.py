"""The pictures of the report, as PNG bytes."""

import io
from collections.abc import Sequence

import matplotlib

matplotlib.use("Agg")

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from train_adapter.evaluate import Evaluation

INK, ACCENT, SECOND, GRID = "#1f2933", "#2563eb", "#d97706", "#e5e7eb"


def curves(rows: Sequence[dict[str, str]]) -> bytes:
    """Loss and accuracy over the epochs of all stages; a line marks where a stage begins."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(10, 3.4), layout="constrained")
    steps = np.arange(1, len(rows) + 1)
    left.plot(steps, [float(r["train_loss"]) for r in rows], color=SECOND, label="train (smoothed labels)")
    left.plot(steps, [float(r["val_loss"]) for r in rows], color=ACCENT, label="val")
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
        axes.grid(color=GRID)
        axes.set_axisbelow(True)
        axes.spines[["top", "right"]].set_visible(False)
    left.legend(frameon=False)
    return _png(figure)


def confusion(evaluation: Evaluation, classes: Sequence[str]) -> bytes:
    """Rows are the true classes, columns the predicted ones; shade is the share of the row."""
    counts = np.array(evaluation.confusion, dtype=float)
    shares = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    size = min(14.0, 3.2 + 0.42 * len(classes))
    figure, axes = plt.subplots(figsize=(size + 1, size), layout="constrained")
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1)
    if len(classes) <= 40:
        for row, column in zip(*np.nonzero(counts), strict=True):
            dark = shares[row, column] > 0.55
            axes.text(
                column,
                row,
                f"{counts[row, column]:.0f}",
                ha="center",
                va="center",
                fontsize=8,
                color="w" if dark else INK,
            )
    ticks = np.arange(len(classes))
    axes.set_xticks(ticks, classes, rotation=90 if len(classes) > 6 else 0, fontsize=8)
    axes.set_yticks(ticks, classes, fontsize=8)
    axes.set(xlabel="predicted", ylabel="true")
    return _png(figure)


def per_class(evaluation: Evaluation) -> bytes:
    """F1 of each class, best first."""
    scores = sorted((s for s in evaluation.per_class if s.photos), key=lambda s: s.f1)
    figure, axes = plt.subplots(figsize=(6, 0.8 + 0.28 * len(scores)), layout="constrained")
    axes.barh([f"{s.name} ({s.photos})" for s in scores], [s.f1 for s in scores], color=ACCENT)
    axes.set(xlim=(0, 1), xlabel="F1 on test (photos)")
    axes.grid(axis="x", color=GRID)
    axes.set_axisbelow(True)
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(axis="y", labelsize=8)
    return _png(figure)


def _png(figure: Figure) -> bytes:
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=110)
    plt.close(figure)
    return buffer.getvalue()
