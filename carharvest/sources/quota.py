"""Keeps a source under its requests an hour (or a second), across runs: sliding windows in a small file."""

import json
import os
import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from filelock import FileLock

from carharvest.errors import QuotaSpent

Countdown = Callable[[float, str], None]  # seconds to wait, why; returns when they are over
HOUR_S = 3600.0
_SHORT_S = 5.0  # waits up to so long are not worth a word


@dataclass(frozen=True, slots=True)
class Window:
    """At most `requests` in any `seconds`."""

    requests: int
    seconds: float


@dataclass
class Quota:
    """Holds all windows at once. The moments of the last requests are kept in `file`, for later and parallel runs."""

    file: Path
    windows: tuple[Window, ...]
    wait: Countdown | None  # None: stop and say when to come back
    now: Callable[[], float] = time.time
    nap: Callable[[float], None] = time.sleep

    def take(self) -> None:
        """Returns when one more request is allowed, and counts it. Raises QuotaSpent where waiting is not wanted."""
        self.file.parent.mkdir(parents=True, exist_ok=True)
        while True:
            with FileLock(self.file.with_suffix(".lock")):
                now = self.now()
                moments = self._moments(now)
                seconds, window = self._until_free(moments, now)
                if seconds <= 0:
                    self._write([*moments, now])
                    return
            self.pause(seconds, f"{window.requests:,} requests in {_readable(window.seconds)}")

    def pause(self, seconds: float, why: str) -> None:
        """Waits with the countdown, or raises QuotaSpent with the time to come back."""
        if seconds <= _SHORT_S:
            self.nap(seconds)
            return
        if self.wait is None:
            back = datetime.fromtimestamp(self.now() + seconds, UTC).astimezone()
            raise QuotaSpent(
                f"the quota is used up ({why})",
                hint=f"come back at {back:%Y-%m-%d %H:%M:%S}, or leave out --no-wait; the same command goes on",
            )
        self.wait(seconds, why)

    def _moments(self, now: float) -> list[float]:
        try:
            kept = [float(moment) for moment in json.loads(self.file.read_text(encoding="utf-8"))]
        except (OSError, ValueError, TypeError):
            return []
        longest = max(window.seconds for window in self.windows)
        # Moments from the future come from a clock that was set back; they must not stall us.
        return [moment for moment in kept if now - longest < moment <= now]

    def _until_free(self, moments: list[float], now: float) -> tuple[float, Window]:
        waits = [
            (moments[-window.requests] + window.seconds - now if len(moments) >= window.requests else 0.0, window)
            for window in self.windows
        ]
        return max(waits, key=lambda found: found[0])

    def _write(self, moments: list[float]) -> None:
        beside = self.file.with_suffix(f".{os.getpid()}.new")
        beside.write_text(json.dumps(moments), encoding="utf-8")
        beside.replace(self.file)


def _readable(seconds: float) -> str:
    return {HOUR_S: "an hour", 60.0: "a minute", 1.0: "a second"}.get(seconds, f"{seconds:g} s")
