"""Stage `rename`: random file names that tell nothing of source, brand or time."""

import hashlib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from carharvest.normalize.base import Scope
from carharvest.records import Label, Photo

_NAME_BYTES = 16  # 128 bits: two photos sharing a name is not to be expected in the age of the universe


@dataclass(frozen=True, slots=True)
class RenameStage:
    """Labels each photo with a name: a hash of its sha256, keyed by the workspace's seed."""

    seed: int
    name: str = "rename"
    version: int = 1
    scope: Scope = "each"

    def settings(self) -> Mapping[str, object]:
        return {"seed": self.seed}

    def run(self, photos: Iterable[Photo]) -> Iterator[Label]:
        for photo in photos:
            yield Label(photo.id, "file_name", random_name(photo.sha256, self.seed), "keyed hash")


def random_name(sha256: str, seed: int) -> str:
    """32 hex digits, the same for the same photo and seed."""
    key = seed.to_bytes(8, "big")
    return hashlib.blake2b(bytes.fromhex(sha256), digest_size=_NAME_BYTES, key=key).hexdigest()
