"""Days, as listings write them."""

import re
from collections.abc import Sequence
from datetime import date

import numpy as np
import pandas as pd

_YEAR_FIRST = re.compile(r"(?<!\d)((?:19|20)\d\d)[-./](\d{1,2})[-./](\d{1,2})(?!\d)")
_YEAR_LAST = re.compile(r"(?<!\d)(\d{1,2})[-./](\d{1,2})[-./]((?:19|20)\d\d)(?!\d)")


def days(cells: Sequence[str]) -> np.ndarray:
    """The day of each cell as datetime64[D], NaT where there is none: 2016-03-26 17:47, 26.03.2016, 03/26/2016.

    Day or month first is decided for the column: month first only if a second number is above 12 and no first one.
    """
    codes, different = pd.factorize(np.array(cells, dtype=object))
    last = [found for cell in different if (found := _YEAR_LAST.search(cell))]
    month_first = any(int(f[2]) > 12 for f in last) and not any(int(f[1]) > 12 for f in last)
    answers = np.array([_day(cell, month_first) for cell in different], dtype="datetime64[D]")
    return answers[codes] if len(different) else np.full(len(cells), "NaT", "datetime64[D]")


def _day(cell: str, month_first: bool) -> date | None:
    found = _YEAR_FIRST.search(cell)
    if found:
        year, month, day = map(int, found.groups())
    else:
        found = _YEAR_LAST.search(cell)
        if not found:
            return None
        day, month, year = map(int, found.groups())
        if month_first:
            day, month = month, day
    try:
        return date(year, month, day)
    except ValueError:
        return None
