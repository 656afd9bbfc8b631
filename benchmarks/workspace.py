"""Our stages over a folder of pictures, in a workspace that is thrown away."""

import time
from collections import defaultdict
from itertools import combinations
from pathlib import Path

from sqlalchemy import select

from carharvest.blobs import BlobStore
from carharvest.brands import load_brands
from carharvest.catalog.runs import recorded_run
from carharvest.catalog.schema import GroupRow, MemberRow, SightingRow, TieRow, VerdictRow
from carharvest.catalog.store import Catalog, open_catalog
from carharvest.engine import cores, local_processes
from carharvest.harvest.http import Fetcher
from carharvest.harvest.keep import Stores
from carharvest.harvest.loop import harvest
from carharvest.normalize.base import normalize
from carharvest.normalize.stages import all_stages
from carharvest.records import Query
from carharvest.settings import load_settings
from carharvest.sources.folder import FolderSource

Pairs = set[tuple[str, str]]


class Workspace:
    """A harvested folder; file names stand for photos (for byte-equal files the first one's)."""

    def __init__(self, pictures: Path, root: Path) -> None:
        self.catalog: Catalog = open_catalog(root, create=True)
        self.settings = load_settings(workspace=root)
        stores = Stores(BlobStore(root / "blobs"), BlobStore(root / "thumbs"), 50_000_000, 150_000_000)
        started = time.perf_counter()
        with recorded_run(self.catalog, "benchmark", {}, 0) as run, local_processes(cores()) as executor:
            fetcher = Fetcher(1_000_000, 10.0, "benchmark")
            candidates = FolderSource(pictures).candidates(Query(""), limit=None)
            harvest(candidates, self.catalog, fetcher, stores, executor, run_id=run.id)
        self.harvest_s = time.perf_counter() - started
        self.files: dict[int, list[str]] = defaultdict(list)
        with self.catalog.reading() as session:
            for photo_id, name in session.execute(select(SightingRow.photo_id, SightingRow.file_name)):
                self.files[photo_id].append(name)
        self.name_of = {photo_id: names[0] for photo_id, names in self.files.items()}

    def run(self, *stages: str) -> float:
        """Seconds that the stages took."""
        started = time.perf_counter()
        with recorded_run(self.catalog, "benchmark", {}, 0) as run:
            chosen = all_stages(self.settings, load_brands(), self.catalog)
            normalize(self.catalog, chosen, run_id=run.id, only=stages)
        return time.perf_counter() - started

    def groups(self) -> Pairs:
        """Pairs that stand in one group."""
        members = defaultdict(list)
        with self.catalog.reading() as session:
            for photo_id, group_id in session.execute(select(MemberRow.photo_id, MemberRow.group_id).join(GroupRow)):
                members[group_id].append(self.name_of[photo_id])
        return {pair for names in members.values() for pair in combinations(sorted(names), 2)}

    def copies(self) -> Pairs:
        """Pairs of a dropped copy and its keeper."""
        return self._pairs(select(MemberRow.photo_id, MemberRow.of_photo_id).where(MemberRow.relation == "copy"))

    def ties(self) -> Pairs:
        return self._pairs(select(TieRow.photo_id, TieRow.other_id))

    def said(self) -> dict[str, set[str]]:
        """Reason of a verdict -> names."""
        found: dict[str, set[str]] = defaultdict(set)
        with self.catalog.reading() as session:
            for photo_id, reason in session.execute(select(VerdictRow.photo_id, VerdictRow.reason)):
                found[reason].add(self.name_of[photo_id])
        return found

    def _pairs(self, query) -> Pairs:
        with self.catalog.reading() as session:
            rows = session.execute(query).all()
        return {(min(a, b), max(a, b)) for a, b in ((self.name_of[x], self.name_of[y]) for x, y in rows)}
