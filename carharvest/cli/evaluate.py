"""carharvest evaluate, compare and explain: how good a model is, and where it looks."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen
from carharvest.cli.trainer import Device, RunName, moving, percent, run_folder, split_folder, trainer
from carharvest.errors import BadSettings

if TYPE_CHECKING:
    from train_adapter.evaluate import Evaluation, Interval

_MOST_CONFUSED = 10


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(evaluate)
    app.command()(compare)
    app.command()(explain)


Part = Annotated[str, typer.Option(help="train, val or test.")]


def evaluate(
    run: RunName,
    split: Annotated[
        str | None, typer.Option(help="Another split of the same classes.", show_default="the run's own")
    ] = None,
    part: Part = "test",
    device: Device = "auto",
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Scores of a run with 95 % intervals: accuracy, F1, classes, confusions, company groups, calibration, slices."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    _known_part(part)
    with trainer():
        from train_adapter.judged import judged_run
        from train_adapter.predict import load_trained

        trained = load_trained(run_folder(settings, run), device)
        data = trained.data if split is None else split_folder(settings, split)[1]
        with screen.progress("evaluate") as move:
            found = judged_run(trained, data, part, cache=settings.workspace / "cache", progress=moving(move))
    if as_json:
        screen.json(_as_json(found))
        return
    _tell(screen, f"{trained.run.name} on {part} of {data.name}", found, trained.classes)


def compare(
    runs: Annotated[
        list[str], typer.Argument(help="Runs by name or folder; the first is what the others are held against.")
    ],
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Runs side by side, and whether their difference on the same test photos is more than chance."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with trainer():
        from train_adapter.compare import compare as compared

        rows = compared([run_folder(settings, run) for run in runs])
    if as_json:
        screen.json([asdict(row) for row in rows])
        return
    table = []
    for row in rows:
        r = row.result
        low, high = r["test_accuracy_interval"]
        difference = "" if row is rows[0] else "no test photo in common"
        if row.difference is not None:
            difference = f"{_signed(row.difference)} on {row.shared} photos"
        accuracy = f"{percent(r['test_accuracy'])} ({100 * low:.1f} to {100 * high:.1f})"
        table.append(
            (
                r["name"],
                r["recipe"],
                r["body"],
                accuracy,
                round(r["macro_f1"], 3),
                round(r["calibration_error"], 3),
                round(r["seconds"]),
                difference,
            )
        )
    columns = [
        "run",
        "recipe",
        "body",
        "test accuracy",
        "macro F1",
        "calib. error",
        "seconds",
        f"against {rows[0].result['name']}",
    ]
    screen.table("compare", columns, table)


def explain(
    run: RunName,
    part: Part = "test",
    photos: Annotated[int, typer.Option(min=1, help="So many right ones, and so many wrong ones.")] = 24,
    device: Device = "auto",
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Where a model looks: explain.html with Grad-CAM of right and wrong photos, most confident first."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    _known_part(part)
    with trainer():
        from train_adapter.explain import explain as explained
        from train_adapter.predict import load_trained

        trained = load_trained(run_folder(settings, run), device)
        with screen.progress("explain") as move:
            found = explained(
                trained, part=part, photos=photos, cache=settings.workspace / "cache", progress=moving(move)
            )
    if as_json:
        screen.json(
            {
                "page": str(found.page),
                "heat_in_box": found.in_box,
                "box_share": found.box_share,
                "photos": [
                    {k: v for k, v in asdict(e).items() if k != "picture"} for e in (*found.wrong, *found.right)
                ],
            }
        )
        return
    if found.in_box is not None and found.box_share is not None:
        screen.say(
            f"{percent(found.in_box)} of the heat lies inside the cars' boxes, "
            f"which are {percent(found.box_share)} of the pictures"
        )
    screen.say(f"{len(found.wrong)} wrong and {len(found.right)} right photos: {found.page}")


def _known_part(part: str) -> None:
    if part not in ("train", "val", "test"):
        raise BadSettings(f"there is no part {part!r}", hint="there are: train, val, test")


def _tell(screen: Screen, title: str, found: Evaluation, classes: Sequence[str]) -> None:
    rows: list[tuple[object, ...]] = [
        ("photos", f"{len(found.files):,}"),
        ("accuracy", _with_interval(found.accuracy)),
        ("top 3", percent(found.top3)),
        ("macro F1", f"{found.macro_f1.value:.3f} ({found.macro_f1.low:.3f} to {found.macro_f1.high:.3f})"),
        (
            "calibration error",
            f"{found.calibration_error:.3f} at temperature {found.temperature:.2f}; "
            f"{found.calibration_error_before:.3f} without",
        ),
    ]
    if found.mean_iou is not None:
        rows.append(("IoU of boxes", f"{found.mean_iou:.3f}"))
    if (f := found.families) is not None and (f.groups or f.pairs):
        rows.append(
            (
                "errors",
                f"{f.errors}, of them {f.in_group} inside a company group (by chance {f.by_chance:.1f}), "
                f"{f.in_pair} inside a luxury pair",
            )
        )
    screen.table(title, ["", ""], rows)
    screen.table(
        "classes",
        ["class", "precision", "recall", "F1", "photos"],
        [
            (s.name, round(s.precision, 3), round(s.recall, 3), round(s.f1, 3), s.photos)
            for s in found.per_class
            if s.photos
        ],
    )
    confused = sorted(
        (
            (n, classes[i], classes[j])
            for i, row in enumerate(found.confusion)
            for j, n in enumerate(row)
            if n and i != j
        ),
        reverse=True,
    )
    screen.table("most confused", ["is", "taken for", "photos"], [(a, b, n) for n, a, b in confused[:_MOST_CONFUSED]])
    if f is not None and (f.groups or f.pairs):
        told = [(name, *counts) for name, counts in (*f.groups.items(), *f.pairs.items())]
        screen.table("errors among relatives", ["company group or pair", "errors", "of them inside"], told)
    if found.slices:
        screen.table(
            "slices",
            ["by", "", "photos", "accuracy"],
            [(s.by, s.name, s.photos, _with_interval(s.accuracy)) for s in found.slices],
        )


def _as_json(found: Evaluation) -> dict[str, Any]:
    told = {
        key: value
        for key in found.__slots__
        if key not in ("probabilities", "files", "targets", "per_class", "slices", "families", "accuracy", "macro_f1")
        for value in (getattr(found, key),)
    }
    return {
        **told,
        "photos": len(found.files),
        "accuracy": asdict(found.accuracy),
        "macro_f1": asdict(found.macro_f1),
        "families": None if found.families is None else asdict(found.families),
        "per_class": [asdict(score) for score in found.per_class],
        "slices": [asdict(each) for each in found.slices],
    }


def _with_interval(value: Interval) -> str:
    return f"{percent(value.value)} ({100 * value.low:.1f} to {100 * value.high:.1f})"


def _signed(value: Interval) -> str:
    return f"{100 * value.value:+.1f} points ({100 * value.low:+.1f} to {100 * value.high:+.1f})"
