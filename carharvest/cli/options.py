"""Options that have the same name and meaning in every command."""

from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer


class ViewChoice(StrEnum):
    """From which side the car is seen. The values are those of records.View."""

    front = "front"
    rear = "rear"
    side = "side"
    front_left = "front-left"
    front_right = "front-right"
    rear_left = "rear-left"
    rear_right = "rear-right"


class Crop(StrEnum):
    """What pictures are cut to."""

    boxes = "boxes"


def _brand_names(incomplete: str) -> list[str]:
    from carharvest.brands import load_brands

    return [key for key in load_brands().brands if key.startswith(incomplete.upper())]


Workspace = Annotated[
    Path | None,
    typer.Option(
        "--workspace",
        "-w",
        help="Folder that holds all state.",
        envvar="CARHARVEST_WORKSPACE",
        show_default="./datasets",
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress and no hints; errors and results only.")]
Debug = Annotated[bool, typer.Option("--debug", help="Log what happens; show a traceback for errors.")]
Brands = Annotated[
    list[str] | None,
    typer.Option(
        "--brand", "-b", help="Brand by any of its names (vw, škoda, …); repeatable.", autocompletion=_brand_names
    ),
]
AllBrands = Annotated[bool, typer.Option("--all-brands", help="Every brand of brand_mapping.yaml.")]
Views = Annotated[
    list[ViewChoice] | None,
    typer.Option("--view", help="Side to ask for; repeatable. Goes into the query and is kept as a label."),
]
QueryText = Annotated[
    str | None, typer.Option("--query", help="Words to search for; {brand} and {view} in it are filled in.")
]
Limit = Annotated[
    int | None, typer.Option("--limit", min=1, help="Most photos for each query (a brand, and a view if named).")
]
Licenses = Annotated[
    list[str] | None,
    typer.Option("--license", help="Only photos under these, such as cc0,by,by-sa,pexels,unknown; repeatable."),
]
DryRun = Annotated[bool, typer.Option("--dry-run", help="Say what would be asked and how many requests it costs.")]
Fresh = Annotated[bool, typer.Option("--fresh", help="Ask again what was asked in the last 24 hours.")]
NoWait = Annotated[bool, typer.Option("--no-wait", help="Stop when a quota is used up instead of waiting.")]
AllowPrivate = Annotated[
    bool, typer.Option("--allow-private-hosts", help="Fetch from loopback, private and link-local addresses too.")
]
IgnoreRobotsTag = Annotated[
    bool, typer.Option("--ignore-robots-tag", help="Fetch also where X-Robots-Tag says noai, noimageai or noindex.")
]
Seed = Annotated[
    int | None, typer.Option("--seed", min=0, max=2**32 - 1, help="For names, splits and training.", show_default="42")
]
Resize = Annotated[
    int | None, typer.Option(min=16, help="Write pictures anew, with this longest side at most.", show_default="no")
]
CropTo = Annotated[
    Crop | None, typer.Option("--crop", help="Cut each picture to its largest box; those without one are left out.")
]
Margin = Annotated[
    float | None,
    typer.Option(min=0, max=2, help="Around the box, in shares of its size on each side.", show_default="0.1"),
]
Copy = Annotated[bool, typer.Option("--copy", help="Copy files instead of linking to the stored ones.")]
Most = Annotated[int | None, typer.Option("--limit", min=1, help="Most pictures.", show_default="all")]
