"""Who goes where: stratified by class, whole groups on one side, old photos where they are, the same for the same seed.

The same filling serves parts (train, val, test) and folds; a `slot` is one of either.
"""

import hashlib
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle

from carharvest.records import PARTS, KeptPhoto, Part, Placed
from carharvest.splits.classes import classes
from carharvest.splits.groups import grouped
from carharvest.splits.plan import SplitPlan

_RANK = {part: rank for rank, part in enumerate(PARTS)}
_TRAIN_ONLY = "0"  # the fold that is never tested


@dataclass(frozen=True, slots=True)
class Assignment:
    """Where every photo goes, in order of part, class and file name; and who goes nowhere, and why.

    Reasons: `unknown` (what the classes are made by is not known of it), `rare`, `copy` (of a photo that is in it),
    `ties-parts` (its group reaches over two parts of the split that is extended), `own-part` (its group has another
    part in the data set it comes from). `torn`: groups with old photos in two parts, which nobody knew of then.
    """

    placed: tuple[Placed, ...]
    left_out: Mapping[str, Sequence[KeptPhoto]] = field(default_factory=dict)
    torn: int = 0


def assign(photos: Iterable[KeptPhoto], plan: SplitPlan, previous: Sequence[Placed] = ()) -> Assignment:
    """A place for every photo that the plan keeps; those of `previous` stay where they are.

    Every class has a photo in train and, where it has three groups or more, one in each part with a share.
    No group is in two parts.
    """
    shares: dict[str, float] = {part: plan.share(part) for part in PARTS if plan.share(part) > 0}
    filled = _fill(list(photos), plan, shares, {p.photo.id: (p.part, p.class_name) for p in previous}, previous)
    return filled.assignment({part: part for part in PARTS})


def assign_folds(
    photos: Iterable[KeptPhoto], plan: SplitPlan, previous: Sequence[Sequence[Placed]] = ()
) -> list[Assignment]:
    """One assignment a fold: the fold is its test, the next one its val, the others are its train.

    A class of fewer than three groups is in every train and nowhere else: it could not be learned where it is tested.
    `previous`: the placements of each fold, in order, if the folds are extended.
    """
    numbers = [str(number) for number in range(1, plan.folds + 1)]
    before = {p.photo.id: (_TRAIN_ONLY, p.class_name) for placed in previous[:1] for p in placed}
    before |= {
        p.photo.id: (number, p.class_name)
        for number, placed in zip(numbers, previous, strict=False)
        for p in placed
        if p.part == "test"
    }
    old = previous[0] if previous else ()
    filled = _fill(list(photos), plan, dict.fromkeys(numbers, 1 / plan.folds), before, old)
    assignments = []
    for position, tested in enumerate(numbers):
        parts: dict[str, Part] = dict.fromkeys([*numbers, _TRAIN_ONLY], "train")
        parts[tested] = "test"
        parts[numbers[(position + 1) % plan.folds]] = "val"
        assignments.append(filled.assignment(parts))
    return assignments


@dataclass(frozen=True, slots=True)
class _Filled:
    """Photos with their slots and classes."""

    photos: Sequence[tuple[KeptPhoto, str, str]]  # photo, slot, class
    left_out: Mapping[str, Sequence[KeptPhoto]]
    torn: int

    def assignment(self, part_of: Mapping[str, Part]) -> Assignment:
        placed = [Placed(photo, part_of[slot], class_name) for photo, slot, class_name in self.photos]
        placed.sort(key=lambda p: (_RANK[p.part], p.class_name, p.photo.file_name))
        return Assignment(tuple(placed), {why: found for why, found in self.left_out.items() if found}, self.torn)


def _fill(
    photos: Sequence[KeptPhoto],
    plan: SplitPlan,
    shares: Mapping[str, float],
    before: Mapping[int, tuple[str, str]],
    previous: Sequence[Placed],
) -> _Filled:
    old = [p.photo for p in previous]
    stand_ins = {photo.copy_of for photo in old}
    new = [photo for photo in photos if photo.id not in before]
    copies = [photo for photo in new if photo.id in stand_ins]
    everyone = grouped(
        [*old, *(photo for photo in new if photo.id not in stand_ins)],
        plan.group_by,
        timedelta(minutes=plan.within_minutes),
    )
    class_of, left_out = classes(everyone, plan, {id_: class_name for id_, (_, class_name) in before.items()})
    groups: dict[str, list[KeptPhoto]] = defaultdict(list)
    for photo in everyone:
        if photo.id in class_of:
            groups[photo.group_key].append(photo)
    slot_of: dict[str, str] = {}  # of groups that have one already
    torn = set()
    left_out |= {"copy": copies, "ties-parts": [], "own-part": []}
    for key, members in groups.items():
        stand = {before[m.id][0] for m in members if m.id in before} if before else ()
        if len(stand) > 1:
            torn.add(key)
            left_out["ties-parts"] += [m for m in members if m.id not in before]
        elif stand:
            slot_of[key] = next(iter(stand))
        elif plan.keep_parts and any(m.own_part for m in members):
            slot_of[key] = _last_part(members)
    slot_of |= _new_slots({key: m for key, m in groups.items() if key not in torn}, class_of, slot_of, shares, plan)
    filled = []
    for key, members in groups.items():
        for photo in members:
            slot = before[photo.id][0] if photo.id in before else slot_of.get(key)
            if slot is None:
                continue
            if plan.keep_parts and photo.id not in before and photo.own_part not in {None, slot}:
                left_out["own-part"].append(photo)
                continue
            filled.append((photo, slot, class_of[photo.id]))
    return _Filled(filled, left_out, len(torn))


def _last_part(members: Sequence[KeptPhoto]) -> Part:
    """Of the parts that a group has in the data set it comes from, the one farthest from training."""
    return max((m.own_part for m in members if m.own_part), key=PARTS.index)


def _new_slots(
    groups: Mapping[str, Sequence[KeptPhoto]],
    class_of: Mapping[int, str],
    slot_of: Mapping[str, str],
    shares: Mapping[str, float],
    plan: SplitPlan,
) -> dict[str, str]:
    """Slots for the groups without one, class by class; a group counts for its commonest class."""
    of_class: dict[str, list[str]] = defaultdict(list)
    for key, members in groups.items():
        names = [class_of[m.id] for m in members]
        commonest = names[0] if len(names) == 1 else max(sorted(set(names)), key=names.count)
        of_class[commonest].append(key)
    found: dict[str, str] = {}
    for class_name in sorted(of_class):
        keys = of_class[class_name]
        taken = Taken(dict.fromkeys(shares, 0), dict.fromkeys(shares, 0))
        for key in keys:
            if key in slot_of:
                taken.add(slot_of[key], len(groups[key]))
        fresh = sorted((key for key in keys if key not in slot_of), key=lambda key: _draw(key, plan.seed))
        found |= slots_of_class(fresh, lambda key: len(groups[key]), taken, shares, plan.floor)
    return found


@dataclass(slots=True)
class Taken:
    """What a class has in each slot."""

    photos: dict[str, int]
    groups: dict[str, int]

    def add(self, slot: str, photos: int) -> None:
        self.photos[slot] = self.photos.get(slot, 0) + photos
        self.groups[slot] = self.groups.get(slot, 0) + 1


def slots_of_class(
    fresh: Sequence[str], size: Callable[[str], int], taken: Taken, shares: Mapping[str, float], floor: int
) -> dict[str, str]:
    """First the floor, with the smallest groups, so that a large one does not fill a small slot; then where most is
    missing, the largest group first."""
    groups = sum(taken.groups.values()) + len(fresh)
    slots = _slots_for(groups, list(shares))
    total = sum(taken.photos.values()) + sum(size(key) for key in fresh)
    found: dict[str, str] = {}

    def put(key: str, slot: str) -> None:
        found[key] = slot
        taken.add(slot, size(key))

    by_size = sorted(fresh, key=size)
    least = min(floor, max(1, groups // len(slots)))
    wanting = cycle(reversed(slots))
    for key in by_size:
        missing = {slot for slot in slots if taken.photos.get(slot, 0) < least}
        if not missing:
            break
        put(key, next(slot for slot in wanting if slot in missing))
    missing_in = {slot: shares.get(slot, 1) * total - taken.photos.get(slot, 0) for slot in slots}
    for key in sorted((key for key in fresh if key not in found), key=lambda key: -size(key)):
        slot = max(slots, key=missing_in.__getitem__)  # of equals the first
        missing_in[slot] -= size(key)
        put(key, slot)
    return found


def _slots_for(groups: int, slots: list[str]) -> list[str]:
    """Those that a class of so many groups can be in."""
    if "train" not in slots:
        return slots if groups >= 3 else [_TRAIN_ONLY]
    if groups >= len(slots) or len(slots) == 1:
        return slots
    return slots[:1] if groups == 1 else [slots[0], slots[-1]]


def _draw(key: str, seed: int) -> bytes:
    return hashlib.blake2b(key.encode(), digest_size=16, key=seed.to_bytes(8, "big")).digest()
