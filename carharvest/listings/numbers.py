"""Numbers as people write them: which sign is the decimal one, and what the number is."""

import math
import re
from collections.abc import Iterable
from typing import Literal

Decimal = Literal[".", ","]

NUMBER = re.compile(r"[-+]?(?:\d{1,3}(?:['’\u00a0\u202f ]\d{3})+(?!\d)(?:[.,]\d+)?|\d(?:[\d.,]*\d)?)")
_MOST = 1e15
_BLANKS = re.compile(r"(?<=\d)['’\u00a0\u202f ](?=\d)")


def decimal_sign(cells: Iterable[str], usual: Decimal | None) -> Decimal | None:
    """The decimal sign of a column, or None where nothing in it tells: "1,5" and "0,125" tell, "1,500" does not.

    Where only numbers such as 1,500 stand in it: they are thousands if the column also has smaller ones without a sign
    and none larger; else as is `usual` in the table.
    """
    votes = {".": 0, ",": 0}
    doubtful = {".": 0, ",": 0}
    small = large = False
    for cell in cells:
        found = NUMBER.search(cell)
        if not found:
            continue
        text = _BLANKS.sub("", found[0])
        signs = [c for c in text if c in ".,"]
        if not signs:
            small, large = small or len(text) < 4, large or len(text) > 3
        elif len(set(signs)) == 2:
            votes[signs[-1]] += 1
        elif len(signs) > 1:
            votes["," if signs[0] == "." else "."] += 1
        else:
            before, after = re.split(r"[.,]", text)
            if len(after) != 3 or before.lstrip("+-") in {"", "0", "00", "000"} or len(before.lstrip("+-")) > 3:
                votes[signs[0]] += 1
            else:
                doubtful[signs[0]] += 1
    if votes["."] != votes[","]:
        return "." if votes["."] > votes[","] else ","
    if small and not large and doubtful[","] != doubtful["."] and 0 in doubtful.values():
        return "." if doubtful[","] else ","
    return usual


def number(text: str, decimal: Decimal) -> float:
    """The number in a text; NaN where there is none: "12 500,50" with "," is 12500.5."""
    found = NUMBER.search(text)
    return plain_number(found[0], decimal) if found else math.nan


def plain_number(text: str, decimal: Decimal) -> float:
    """The same for a text that is nothing but the number; NaN beyond a billion millions, where no quantity is meant."""
    bare = _BLANKS.sub("", text)
    thousands = "," if decimal == "." else "."
    bare = bare.replace(thousands, "")
    if bare.count(decimal) > 1:  # that sign groups thousands after all
        bare = bare.replace(decimal, "")
    try:
        value = float(bare.replace(",", "."))
    except ValueError:
        return math.nan
    return value if abs(value) <= _MOST else math.nan
