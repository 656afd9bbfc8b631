"""Whose turn it is: jobs wait host by host, so that none is asked too much at once, or too soon."""

import heapq
import itertools
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

J = TypeVar("J")


@dataclass
class _Lane(Generic[J]):
    waiting: deque[J] = field(default_factory=deque)
    running: int = 0
    not_before: float = 0.0


@dataclass
class Turns(Generic[J]):
    """At most `per_host` jobs of a host run at once, their starts `delay_s` apart; hosts take turns.

    The host "" is this machine: it has no such limits.
    `clock` gives seconds that only grow: a wall clock that jumps does not matter here.
    """

    per_host: int
    delay_s: float = 0.0
    clock: Callable[[], float] = time.monotonic
    waiting: int = field(default=0, init=False)  # jobs that may start as far as time is concerned
    _lanes: dict[str, _Lane[J]] = field(default_factory=dict, init=False)
    _order: deque[str] = field(default_factory=deque, init=False)  # hosts with jobs that wait
    _later: list[tuple[float, int, str, J]] = field(default_factory=list, init=False)
    _count: "itertools.count[int]" = field(default_factory=itertools.count, init=False)

    def add(self, host: str, job: J) -> None:
        """A job that may start as soon as its host's turn comes."""
        lane = self._lanes.setdefault(host, _Lane())
        if not lane.waiting:
            self._order.append(host)
        lane.waiting.append(job)
        self.waiting += 1

    def again(self, host: str, job: J, after_s: float) -> None:
        """A job that may start no sooner than `after_s` from now."""
        heapq.heappush(self._later, (self.clock() + after_s, next(self._count), host, job))

    def pause(self, host: str, seconds: float) -> None:
        """Nothing of the host starts for so long."""
        lane = self._lanes.setdefault(host, _Lane())
        lane.not_before = max(lane.not_before, self.clock() + seconds)

    def next(self) -> tuple[str, J] | None:
        """The host and the job whose turn it is; None if none may start now. Call `done(host)` when it is over."""
        now = self.clock()
        while self._later and self._later[0][0] <= now:
            _, _, host, job = heapq.heappop(self._later)
            self.add(host, job)
        for _ in range(len(self._order)):
            host = self._order.popleft()
            lane = self._lanes[host]
            if host and (lane.running >= self.per_host or now < lane.not_before):
                self._order.append(host)
                continue
            job = lane.waiting.popleft()
            self.waiting -= 1
            lane.running += 1
            lane.not_before = now + self.delay_s
            if lane.waiting:
                self._order.append(host)
            return host, job
        return None

    def done(self, host: str) -> None:
        """One job of the host is over."""
        lane = self._lanes[host]
        lane.running -= 1
        if not lane.running and not lane.waiting and self.clock() >= lane.not_before:
            del self._lanes[host]

    def wait_s(self) -> float:
        """Seconds until a job may start that may not now; infinite if only `done` or `add` can bring one."""
        moments = [self._later[0][0]] if self._later else []
        lanes = (self._lanes[host] for host in self._order)
        moments += [lane.not_before for lane in lanes if lane.running < self.per_host]
        return max(0.0, min(moments) - self.clock()) if moments else float("inf")
