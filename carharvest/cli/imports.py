"""carharvest import: existing data sets into the catalog, with their classes, boxes and parts."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.cli.options import Brands, Debug, Json, Most, Quiet, Views, Workspace
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from carharvest.sources.annotated.base import Form

app = typer.Typer(
    help="Bring an existing data set into the catalog, with its classes, boxes and parts.", no_args_is_help=True
)

TheirLicense = Annotated[str | None, typer.Option("--license", help="The licence of all its photos, if you know it.")]
TheirPage = Annotated[str | None, typer.Option("--page", help="Where the data set can be found.")]


def _whole(help_: str, form_at: "Callable[[Path], Form]") -> Callable[..., None]:
    """The command of a form that says itself where its pictures are."""

    def command(
        path: Annotated[Path, typer.Argument(help=help_)],
        license_: TheirLicense = None,
        page: TheirPage = None,
        limit: Most = None,
        workspace: Workspace = None,
        as_json: Json = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        _import(Screen(quiet=quiet, as_json=as_json), workspace, form_at(path), license_, page, limit)

    return command


def _beside(help_: str, form_at: "Callable[[Path, Path], Form]") -> Callable[..., None]:
    """The command of a form whose pictures may lie elsewhere."""

    def command(
        path: Annotated[Path, typer.Argument(help=help_)],
        pictures: Annotated[
            Path | None, typer.Option("--pictures", help="Folder of the pictures.", show_default="that of the file")
        ] = None,
        license_: TheirLicense = None,
        page: TheirPage = None,
        limit: Most = None,
        workspace: Workspace = None,
        as_json: Json = False,
        quiet: Quiet = False,
        debug: Debug = False,
    ) -> None:
        form = form_at(path, pictures or (path.parent if path.is_file() else path))
        _import(Screen(quiet=quiet, as_json=as_json), workspace, form, license_, page, limit)

    return command


def _stanford(path: Path) -> "Form":
    from carharvest.sources.annotated.stanford import StanfordCars

    return StanfordCars(path)


def _yolo(path: Path) -> "Form":
    from carharvest.sources.annotated.yolo import Yolo

    return Yolo(path)


def _voc(path: Path) -> "Form":
    from carharvest.sources.annotated.voc import Voc

    return Voc(path)


def _coco(path: Path, pictures: Path) -> "Form":
    from carharvest.sources.annotated.coco import Coco

    return Coco(path, pictures)


def _table(path: Path, pictures: Path) -> "Form":
    from carharvest.sources.annotated.table import Table

    return Table(path, pictures)


_COMMANDS = {
    "stanford-cars": (
        "Stanford Cars: its MATLAB tables with boxes and classes, and the pictures that are there.",
        _whole("The folder that it was unpacked to.", _stanford),
    ),
    "coco": (
        "COCO: JSON with images, categories and boxes. Categories that name a brand become one.",
        _beside("An annotation file, or a folder of them.", _coco),
    ),
    "yolo": ("YOLO: data.yaml, images/ and labels/.", _whole("The folder with data.yaml, or that file.", _yolo)),
    "voc": ("PASCAL VOC: an XML file a picture.", _whole("The folder with Annotations/ and JPEGImages/.", _voc)),
    "csv": (
        "A table: columns such as file, brand or class, model, year, view, split, x1, y1, x2, y2, license, author.",
        _beside("A table: one row a picture or a box.", _table),
    ),
}
for _name, (_help, _command) in _COMMANDS.items():
    app.command(_name, help=_help)(_command)


@app.command()
def imagefolder(
    path: Annotated[Path, typer.Argument(help="A folder such as train/BMW/1.jpg, or a .zip of one.")],
    brand: Brands = None,
    view: Views = None,
    license_: TheirLicense = None,
    page: TheirPage = None,
    limit: Most = None,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """An ImageFolder as they are shared: train, val, test (or other names of these), in them a folder a class."""
    from carharvest.cli.harvesting import Harvest, run_harvest
    from carharvest.cli.scrape import one_query
    from carharvest.settings import load_settings
    from carharvest.sources.annotated.imagefolder import ImageFolderSource
    from carharvest.sources.plan import Ask

    settings = load_settings(workspace=workspace)
    id_, url = _license(license_)
    source = ImageFolderSource(path, id_, url, page or "")
    ask = Ask(source, one_query(settings, brand, view), limit)
    run_harvest(Screen(quiet=quiet, as_json=as_json), settings, Harvest("import imagefolder", [ask]))


def _import(
    screen: Screen, workspace: Path | None, form: "Form", license_: str | None, page: str | None, limit: int | None
) -> None:
    from carharvest.cli.harvesting import Harvest, run_harvest
    from carharvest.records import Query
    from carharvest.settings import load_settings
    from carharvest.sources.annotated.base import AnnotatedSource
    from carharvest.sources.plan import Ask

    id_, url = _license(license_)
    source = AnnotatedSource(form, id_, url, page or "")
    run_harvest(
        screen, load_settings(workspace=workspace), Harvest(f"import {form.name}", [Ask(source, Query(""), limit)])
    )
    if source.missing:
        screen.warn(f"{source.missing:,} pictures that it tells of are not there")


def _license(text: str | None) -> tuple[str, str]:
    """Its id and address. Raises BadSettings for a text that names none."""
    from carharvest.licenses import allowed_licenses, license_url

    if not text:
        return "", ""
    id_ = next(iter(allowed_licenses([text])))
    return id_, license_url(id_, text)
