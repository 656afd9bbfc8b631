"""What differs between two splits: photos that came, went, moved to another part or another class."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from carharvest.errors import NotFound


@dataclass(frozen=True, slots=True)
class Difference:
    """Photos by sha256. `moved` and `relabelled`: sha256 -> what it was, what it is."""

    added: Mapping[str, str]  # sha256 -> part/class
    removed: Mapping[str, str]
    moved: Mapping[str, tuple[str, str]]  # parts
    relabelled: Mapping[str, tuple[str, str]]  # classes
    same: int


def difference(one: Path, other: Path) -> Difference:
    """From one split to the other, by their photos.jsonl. Raises NotFound."""
    before, after = _places(one), _places(other)
    both = before.keys() & after.keys()
    moved = {sha: (before[sha][0], after[sha][0]) for sha in sorted(both) if before[sha][0] != after[sha][0]}
    relabelled = {sha: (before[sha][1], after[sha][1]) for sha in sorted(both) if before[sha][1] != after[sha][1]}
    return Difference(
        added={sha: "/".join(after[sha]) for sha in sorted(after.keys() - before.keys())},
        removed={sha: "/".join(before[sha]) for sha in sorted(before.keys() - after.keys())},
        moved=moved,
        relabelled=relabelled,
        same=len(both - moved.keys() - relabelled.keys()),
    )


def _places(split: Path) -> dict[str, tuple[str, str]]:
    """sha256 -> part, class."""
    file = split / "photos.jsonl"
    found = {}
    try:
        with file.open(encoding="utf-8") as lines:
            for line in lines:
                told = json.loads(line)
                found[str(told["sha256"])] = (str(told["part"]), str(told["class"]))
    except FileNotFoundError:
        raise NotFound(f"{split} is no split of carharvest", hint="carharvest status names those there are") from None
    except (ValueError, KeyError, TypeError) as error:
        raise NotFound(f"{file} cannot be read: {error}", hint="make the split again with --replace") from None
    return found
