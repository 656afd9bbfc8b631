"""The contact sheet of duplicates: every group on one page, to be looked at."""

import base64
import io
from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined
from PIL import Image

from carharvest.blobs import BlobStore, write_whole
from carharvest.catalog.groups import Member

_SIDE_PX = 160
_MOST_GROUPS = 500


def write_sheet(groups: Sequence[Sequence[Member]], thumbnails: BlobStore, target: Path) -> int:
    """Writes one HTML file with its pictures inside; returns how many groups it shows, 500 at most."""
    shown = groups[:_MOST_GROUPS]
    cards = [[(member, _picture(thumbnails.path(member.sha256, "jpg"))) for member in members] for members in shown]
    environment = Environment(
        loader=PackageLoader("carharvest.normalize", "pages"), autoescape=True, undefined=StrictUndefined
    )
    page = environment.get_template("duplicates.html").render(
        groups=cards,
        total=len(groups),
        copies=sum(m.relation == "copy" for members in groups for m in members),
        same_shot=sum(m.relation == "same-shot" for members in groups for m in members),
    )
    write_whole(target.absolute(), page.encode())
    return len(shown)


def _picture(file: Path) -> str:
    """A data URI of a small JPEG; empty where the thumbnail is missing."""
    try:
        with Image.open(file, formats=["JPEG"]) as image:
            image.draft("RGB", (_SIDE_PX, _SIDE_PX))
            image.thumbnail((_SIDE_PX, _SIDE_PX))
            buffer = io.BytesIO()
            image.convert("RGB").save(buffer, "JPEG", quality=80)
    except OSError:
        return ""
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
