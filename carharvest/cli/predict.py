"""carharvest predict and export: a trained model in use."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Annotated

import typer

from carharvest.cli.options import Debug, Json, Quiet, Workspace
from carharvest.cli.screen import Screen
from carharvest.cli.trainer import Device, RunName, moving, percent, photo_files, run_folder, trainer
from carharvest.errors import NotFound


def add_to(app: typer.Typer) -> None:
    """Registers the commands."""
    app.command()(predict)
    app.command()(export)


def predict(
    model: Annotated[
        str, typer.Argument(help="A run's name, its folder, its model.safetensors, or an .onnx file in it.")
    ],
    photos: Annotated[list[str], typer.Argument(help="Photos, folders, patterns, or - for paths on standard input.")],
    top: Annotated[int, typer.Option(min=1, help="How many classes to show for each photo.")] = 3,
    device: Device = "auto",
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Say which brand photos show, with calibrated probabilities."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    files = photo_files(photos)
    with trainer():
        from train_adapter.predict import load_for_prediction

        trained = load_for_prediction(run_folder(settings, model), device)
        with screen.progress("predict", total=len(files)) as move:
            try:
                predictions = trained.predict(files, moving(move))
            except (OSError, SyntaxError) as error:
                raise NotFound(f"not a picture: {error}", hint="name photos that open in a viewer") from error
    if as_json:
        screen.json(
            [
                {"photo": str(p.file), "brands": [{"brand": b, "probability": round(v, 6)} for b, v in p.ranking[:top]]}
                for p in predictions
            ]
        )
        return
    rows = [
        (p.file, *(cell for name, value in p.ranking[:top] for cell in (name, percent(value)))) for p in predictions
    ]
    shown = min(top, len(trained.classes))
    columns = ["photo", *(c for i in range(shown) for c in ("class" if i == 0 else f"{i + 1}.", ""))]
    screen.table("predict", columns, rows)


def export(
    run: RunName,
    form: Annotated[
        list[str] | None,
        typer.Option(
            "--form",
            help="onnx, onnx-fp16, onnx-int8, onnx-int8-calibrated or torchscript. Repeatable.",
            show_default="onnx",
        ),
    ] = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Write the model of a run as ONNX or TorchScript, and hold it against PyTorch on the val photos."""
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = load_settings(workspace=workspace)
    with trainer():
        from train_adapter import export as exports
        from train_adapter.predict import load_trained

        trained = load_trained(run_folder(settings, run), "cpu")
        with screen.progress("export") as move:
            found = exports.export(trained, form or ["onnx"], cache=settings.workspace / "cache", progress=moving(move))
    if as_json:
        screen.json([asdict(each) for each in found])
        return
    rows = [
        (
            e.form,
            e.file,
            e.megabytes,
            percent(e.agreement),
            f"{e.farthest:.4f}",
            percent(e.accuracy),
            e.latency_ms,
            e.pytorch_latency_ms,
        )
        for e in found
    ]
    columns = ["form", "file", "MB", "same class", "farthest", "val accuracy", "ms a photo", "PyTorch ms"]
    screen.table(f"export of {trained.run.name}", columns, rows)
    screen.hint(f"next: carharvest predict {Path(trained.run) / found[0].file} PHOTO…")
