"""Keeps a source under its requests per hour, across runs: a sliding window in a small file."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

from carharvest.errors import QuotaSpent

Countdown = Callable[[float, str], None]  # seconds to wait, why; returns when they are over


@dataclass
class HourlyQuota:
    """At most `per_hour` requests in any 3,600 s; the moments of the last ones are kept in `file`."""

    file: Path
    per_hour: int
    wait: Countdown | None  # None: stop and say when to come back
    now: Callable[[], float] = time.time
    _moments: list[float] = field(default_factory=list, init=False)

    def __post_init__(self) -> None:
        try:
            moments = json.loads(self.file.read_text(encoding="utf-8"))
            self._moments = [float(moment) for moment in moments]
        except (OSError, ValueError, TypeError):
            self._moments = []

    def take(self) -> None:
        """Returns when one more request is allowed. Raises QuotaSpent where waiting is not wanted."""
        while (seconds := self._seconds_until_free()) > 0:
            self.pause(seconds, f"{self.per_hour} requests an hour")
        self._moments.append(self.now())
        self.file.parent.mkdir(parents=True, exist_ok=True)
        self.file.write_text(json.dumps(self._moments), encoding="utf-8")

    def pause(self, seconds: float, why: str) -> None:
        """Waits with the countdown, or raises QuotaSpent with the time to come back."""
        if self.wait is None:
            back = datetime.fromtimestamp(self.now() + seconds, UTC).astimezone()
            raise QuotaSpent(
                f"the quota is used up ({why})",
                hint=f"come back at {back:%Y-%m-%d %H:%M:%S}, or leave out --no-wait; the same command goes on",
            )
        self.wait(seconds, why)

    def _seconds_until_free(self) -> float:
        now = self.now()
        # Moments from the future come from a clock that was set back; they must not stall us.
        self._moments = [moment for moment in self._moments if now - 3600 < moment <= now]
        if len(self._moments) < self.per_hour:
            return 0.0
        return math.ceil(self._moments[-self.per_hour] + 3600 - now) or 1.0
