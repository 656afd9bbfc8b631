"""What is wrong with somebody's split: pictures and shots in two parts, copies, pictures in two classes."""

from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from carharvest.catalog.filed import FiledPicture
from carharvest.records import PARTS, Part
from carharvest.splits.assign import Taken, slots_of_class

# The same bytes; the same picture, transformed; the same shot, in another colour or the next of a burst.
Kind = Literal["same-file", "copy", "same-shot"]
Why = Literal["leak", "same-file", "copy", "classes-disagree", "unreadable"]


@dataclass(frozen=True, slots=True)
class Leak:
    """Files that belong together and stand in more than one part."""

    kind: Kind
    files: tuple[FiledPicture, ...]

    @property
    def parts(self) -> tuple[Part, ...]:
        return tuple(part for part in PARTS if any(f.part == part for f in self.files))


@dataclass(frozen=True, slots=True)
class Removal:
    """A file that a clean split is without, and the file because of which."""

    url: str
    why: Why
    because_of: str = ""


@dataclass(frozen=True, slots=True)
class Audit:
    """What was found in a folder."""

    files: int
    counts: Mapping[str, Mapping[str, int]]  # class -> part -> files
    leaks: tuple[Leak, ...]
    repeated: tuple[tuple[FiledPicture, ...], ...]  # the same picture, more than once in one part
    disagreeing: tuple[tuple[FiledPicture, ...], ...]  # the same picture in more than one class
    unreadable: tuple[tuple[str, str], ...]  # URL, reason
    missing: tuple[str, ...]  # classes that some part is without

    def leaked(self, kind: Kind) -> int:
        return sum(leak.kind == kind for leak in self.leaks)


def audit(files: Sequence[FiledPicture], unreadable: Sequence[tuple[str, str]]) -> Audit:
    """Looks at all files of a folder."""
    counts: dict[str, dict[str, int]] = defaultdict(lambda: defaultdict(int))
    for file in files:
        counts[file.class_name][file.part or ""] += 1
    pictures = _by(files, _original)
    parts = {file.part for file in files if file.part}
    return Audit(
        files=len(files),
        counts={class_name: dict(of_part) for class_name, of_part in sorted(counts.items())},
        leaks=tuple(_leaks(files)),
        repeated=tuple(group for group in pictures if max(Counter(f.part for f in group).values()) > 1),
        disagreeing=tuple(group for group in pictures if len({f.class_name for f in group}) > 1),
        unreadable=tuple(unreadable),
        missing=tuple(sorted(c for c, of_part in counts.items() if any(part not in of_part for part in parts))),
    )


def removals(files: Sequence[FiledPicture], unreadable: Sequence[tuple[str, str]]) -> list[Removal]:
    """What has to go so that no picture is there twice and no group in two parts.

    What test has, train loses: of a group, the part farthest from training stays. Only where a class would be left
    without any picture to train on, its groups are divided between the parts as the folder divides its pictures. Of
    copies the largest stays, one in a part before one in none. A picture in two classes goes altogether: nobody can
    tell which one is right.
    """
    found: dict[str, Removal] = {url: Removal(url, "unreadable", reason) for url, reason in unreadable}
    for group in _by(files, _original):
        if len({f.class_name for f in group}) > 1:
            for file in group:
                other = next(f for f in group if f.class_name != file.class_name)
                found[file.url] = Removal(file.url, "classes-disagree", other.url)
    left = [file for file in files if file.url not in found]
    groups = {group[0].group_key: [f for f in group if f.part] for group in _by(left, lambda f: f.group_key)}
    part_of = {key: max((f.part or "train" for f in group), key=PARTS.index) for key, group in groups.items() if group}
    part_of |= _divided(groups, part_of)
    for key, part in part_of.items():
        stays = next(f for f in groups[key] if f.part == part)
        for file in groups[key]:
            if file.part != part:
                found[file.url] = Removal(file.url, "leak", stays.url)
    left = [file for file in left if file.url not in found]
    for group in _by(left, _original):
        best = max(group, key=lambda f: (f.part is not None, f.area_px, f.copy_of is None))
        for file in group:
            if file is not best:
                found[file.url] = Removal(file.url, "same-file" if file.sha256 == best.sha256 else "copy", best.url)
    return [found[url] for url in sorted(found)]


def _divided(groups: Mapping[str, Sequence[FiledPicture]], part_of: Mapping[str, Part]) -> dict[str, Part]:
    """Other parts for the groups of classes that would have nothing in train any more, and had something."""
    everything = Counter(f.part for group in groups.values() for f in group)
    shares = {str(part): count / everything.total() for part, count in everything.items()}
    shares = {part: shares[part] for part in PARTS if part in shares}
    of_class: dict[str, list[str]] = defaultdict(list)
    for key in part_of:
        of_class[groups[key][0].class_name].append(key)
    found: dict[str, Part] = {}
    for keys in of_class.values():
        had = any(f.part == "train" for key in keys for f in groups[key])
        if not had or any(part_of[key] == "train" for key in keys):
            continue
        torn = sorted(key for key in keys if _straddles(groups[key]))
        taken = Taken(dict.fromkeys(shares, 0), dict.fromkeys(shares, 0))
        for key in set(keys) - set(torn):
            taken.add(part_of[key], len(groups[key]))
        slots = slots_of_class(torn, lambda key: 1, taken, shares, 1)
        shared_out: dict[str, Part] = {
            key: part for key in torn for part in PARTS if part == slots[key] and _has(groups[key], part)
        }
        if "train" not in shared_out.values():
            shared_out[next(key for key in torn if _has(groups[key], "train"))] = "train"
        found |= shared_out
    return found


def _has(files: Sequence[FiledPicture], part: Part) -> bool:
    return any(f.part == part for f in files)


def _leaks(files: Sequence[FiledPicture]) -> list[Leak]:
    """One for each picture that stands in two parts, by the closest relation; then for shots that do."""
    found: list[Leak] = []
    for group in _by(files, lambda f: f.group_key):
        if not _straddles(group):
            continue
        pictures = _by(group, _original)
        for same in pictures:
            identical = [of_bytes for of_bytes in _by(same, lambda f: f.sha256) if _straddles(of_bytes)]
            found += [Leak("same-file", tuple(of_bytes)) for of_bytes in identical]
            if not identical and _straddles(same):
                found.append(Leak("copy", tuple(same)))
        if not any(_straddles(same) for same in pictures):
            found.append(Leak("same-shot", tuple(group)))
    order = {"same-file": 0, "copy": 1, "same-shot": 2}
    return sorted(found, key=lambda leak: (order[leak.kind], leak.files[0].url))


def _straddles(files: Sequence[FiledPicture]) -> bool:
    return len({f.part for f in files if f.part}) > 1


def _original(file: FiledPicture) -> str:
    return file.copy_of or file.sha256


def _by(files: Sequence[FiledPicture], key: Callable[[FiledPicture], str]) -> list[tuple[FiledPicture, ...]]:
    groups: dict[str, list[FiledPicture]] = defaultdict(list)
    for file in files:
        groups[key(file)].append(file)
    return [tuple(group) for group in groups.values()]
