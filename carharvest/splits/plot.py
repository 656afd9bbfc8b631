"""The imbalance of a split as a picture: photos of each class, by part."""

from collections.abc import Mapping
from pathlib import Path

from carharvest.records import PARTS

_COLOURS = {"train": "#3b6ea5", "val": "#e0a13a", "test": "#b5523b"}
_MOST = 120  # classes that one can still read


def write_plot(file: Path, name: str, counts: Mapping[str, Mapping[str, int]]) -> None:
    """A PNG with one bar a class, the largest on top; with very many classes, the largest and the smallest."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    rows = sorted(counts.items(), key=lambda item: (sum(item[1].values()), item[0]))
    title = f"{name}: photos by class"
    if len(rows) > _MOST:
        rows = rows[: _MOST // 2] + rows[-_MOST // 2 :]
        title += f" (the {_MOST // 2} largest and the {_MOST // 2} smallest of {len(counts)})"
    figure = Figure(figsize=(9, 1.4 + 0.24 * len(rows)), layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    left = [0] * len(rows)
    for part in PARTS:
        widths = [of_class[part] for _, of_class in rows]
        axes.barh(range(len(rows)), widths, left=left, color=_COLOURS[part], label=part, height=0.78)
        left = [before + width for before, width in zip(left, widths, strict=True)]
    for position, total in enumerate(left):
        axes.text(total, position, f" {total:,}", va="center", fontsize=8)
    axes.set_yticks(range(len(rows)), [class_name for class_name, _ in rows], fontsize=8)
    axes.set_ylim(-0.6, len(rows) - 0.4)
    axes.margins(x=0.08)
    axes.set_xlabel("photos")
    axes.set_title(title, loc="left", fontsize=10)
    axes.spines[["top", "right"]].set_visible(False)
    axes.legend(loc="lower right", frameon=False)
    figure.savefig(file, dpi=110, metadata={"Software": None})
