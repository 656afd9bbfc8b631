"""The contact sheet of duplicates: every group on one page, to be looked at."""

from collections.abc import Sequence
from pathlib import Path

from jinja2 import Environment, PackageLoader, StrictUndefined

from carharvest.blobs import BlobStore, write_whole
from carharvest.catalog.groups import Member
from carharvest.pictures import small_data_uri

_MOST_GROUPS = 500


def write_sheet(groups: Sequence[Sequence[Member]], thumbnails: BlobStore, target: Path) -> int:
    """Writes one HTML file with its pictures inside; returns how many groups it shows, 500 at most."""
    shown = groups[:_MOST_GROUPS]
    cards = [
        [(member, small_data_uri(thumbnails.path(member.sha256, "jpg"))) for member in members] for members in shown
    ]
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
