"""Groups of photos of the same shot, member by member."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sqlalchemy import select

from carharvest.catalog.changes import brands_of
from carharvest.catalog.schema import GroupRow, MemberRow, PhotoRow
from carharvest.catalog.store import Catalog


@dataclass(frozen=True, slots=True)
class Member:
    """A photo of a group, and what ties it to the other one."""

    sha256: str
    relation: str
    of_sha256: str
    evidence: Mapping[str, Any]
    width_px: int
    height_px: int
    brand: str


def groups(catalog: Catalog) -> list[list[Member]]:
    """All groups, the largest first; in each the keepers, then their copies, then the rest."""
    brand_of = brands_of(catalog)
    query = (
        select(GroupRow.key, MemberRow, PhotoRow.sha256, PhotoRow.width_px, PhotoRow.height_px)
        .join(MemberRow, MemberRow.group_id == GroupRow.id)
        .join(PhotoRow, PhotoRow.id == MemberRow.photo_id)
        .order_by(GroupRow.key, PhotoRow.id)
    )
    found: dict[str, list[Member]] = {}
    with catalog.reading() as session:
        rows = session.execute(query).all()
    sha_of = {member.photo_id: sha for _, member, sha, _, _ in rows}
    for key, member, sha, width, height in rows:
        of = sha_of[member.of_photo_id]
        brand = brand_of.get(member.photo_id, "")
        found.setdefault(key, []).append(Member(sha, member.relation, of, member.evidence, width, height, brand))
    order = {"keeper": 0, "copy": 1, "same-shot": 2}
    for members in found.values():
        members.sort(key=lambda m: (order[m.relation], m.of_sha256 if m.relation == "copy" else "", m.sha256))
    return sorted(found.values(), key=lambda members: (-len(members), members[0].sha256))
