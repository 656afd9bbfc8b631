"""Asks a source's JSON API: answers are kept for 24 hours, the quota holds, and every fault is an error for people."""

import logging
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import requests
from requests_cache import CachedSession

from carharvest.errors import CarharvestError, NoNetwork, QuotaSpent, SourceFailed, WrongKey
from carharvest.sources.quota import Quota
from carharvest.text import printable

CACHE_FOR = timedelta(hours=24)  # Pexels asks for caching, and its API documentation names 24 hours
SECRETS = ("Authorization", "api_key", "client_id", "client_secret", "access_token")  # never in the cache
_TIMEOUT_S = (10, 30)
_PATIENCE = 5  # times that a 429 or a passing fault is waited out for one page
_LONGEST_WAIT_S = 2 * 3600.0  # a monthly reset is weeks away; nobody wants to wait for that
_PASSING = {500, 502, 503, 504}

logger = logging.getLogger(__name__)


def cached_session(file: Path | None, user_agent: str) -> CachedSession:
    """A session that keeps answers in `file` for 24 hours, as JSON text without keys; without a file, it keeps none."""
    if file is not None:
        file.parent.mkdir(parents=True, exist_ok=True)
    session = CachedSession(
        cache_name=str(file) if file else "none",
        backend="sqlite" if file else "memory",
        serializer="json" if file else None,
        expire_after=CACHE_FOR if file else 0,
        ignored_parameters=list(SECRETS),
    )
    session.settings.disabled = file is None
    session.headers["User-Agent"] = user_agent
    return session


@dataclass
class Api:
    """A JSON API. `documented` tells an answer of the documented shape from anything else.

    `key_hint` is what to do about a refused key; `fresh` asks anew what is kept; `refusal` is for sources that
    refuse with a 200.
    """

    name: str
    session: CachedSession
    quota: Quota
    documented: Callable[[Mapping[str, Any]], bool]
    key_hint: str = "the source may be closed to you"
    fresh: bool = False
    refusal: Callable[[Mapping[str, Any]], CarharvestError | None] = lambda page: None
    _has_answered: bool = field(default=False, init=False)

    def page(
        self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """One answer. Raises WrongKey, QuotaSpent, NoNetwork or SourceFailed.

        Faults that pass are waited out once the source has answered at all: before that, a person is told at once.
        """
        for attempt in range(_PATIENCE):
            try:
                return self._checked(self._answer(url, params, headers or {}))
            except _TryAgain as again:
                if not again.is_limit and (not self._has_answered or attempt == _PATIENCE - 1):
                    raise again.error from again.__cause__
                self.quota.pause(again.after_s if again.after_s is not None else 2.0 ** (attempt + 1), str(again.error))
        raise QuotaSpent(
            f"{self.name} goes on answering 429 (too many requests)", hint="try again later; the same command goes on"
        )

    def _answer(self, url: str, params: Mapping[str, str | int], headers: Mapping[str, str]) -> requests.Response:
        def ask(**how: Any) -> requests.Response:
            # No redirects: a key must not travel to another host.
            return self.session.get(
                url, params=params, headers=headers, timeout=_TIMEOUT_S, allow_redirects=False, **how
            )

        if not (self.session.settings.disabled or self.fresh):
            kept = ask(only_if_cached=True)
            if kept.status_code == requests.codes.ok:
                return kept
        self.quota.take()
        try:
            return ask(force_refresh=True)
        except requests.RequestException as error:
            unreachable = NoNetwork(
                f"{self.name} cannot be reached at {urlsplit(url).netloc} ({type(error).__name__})",
                hint="check the network; without one, try: carharvest scrape sample, or scrape folder",
            )
            raise _TryAgain(unreachable) from error

    def _checked(self, response: requests.Response) -> Mapping[str, Any]:
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise WrongKey(f"{self.name} refuses the request ({response.status_code})", hint=self.key_hint)
        if response.status_code == requests.codes.too_many_requests:
            raise self._limit(response)
        if response.status_code != requests.codes.ok:
            failed = SourceFailed(
                f"{self.name} answered {response.status_code} to a search",
                hint="try again later; the same command goes on",
            )
            raise _TryAgain(failed) if response.status_code in _PASSING else failed
        try:
            page = response.json()
        except requests.JSONDecodeError:
            page = None
        if not isinstance(page, dict) or not self.documented(page):
            self.forget(response)
            raise SourceFailed(
                f"{self.name} answered with something else than its documented JSON", hint="try again later"
            )
        refusal = self.refusal(page)
        if refusal is not None:
            self.forget(response)
            raise refusal
        self._has_answered = True
        left, most = response.headers.get("X-Ratelimit-Remaining"), response.headers.get("X-Ratelimit-Limit")
        logger.debug("%s: %s bytes, %s of %s requests left", self.name, len(response.content), left, most)
        return page

    def forget(self, response: requests.Response) -> None:
        """Takes an answer out of the cache that turned out to be none."""
        key = getattr(response, "cache_key", None)
        if key:
            self.session.cache.delete(key)

    def _limit(self, response: requests.Response) -> Exception:
        """A 429: how long to wait, or that it is no use."""
        now = time.time()
        seconds = _number(response.headers.get("Retry-After"))
        reset = _number(response.headers.get("X-Ratelimit-Reset"))  # a UNIX time: when the month rolls over
        if seconds is None and response.headers.get("X-Ratelimit-Remaining") == "0" and reset is not None:
            seconds = max(1.0, reset - now)
            if seconds > _LONGEST_WAIT_S:
                back = time.strftime("%Y-%m-%d %H:%M", time.localtime(reset))
                return QuotaSpent(
                    f"the monthly quota of {self.name} is used up",
                    hint=f"come back after {back}; the same command goes on",
                )
        spent = QuotaSpent(f"{self.name} answered 429", hint="try again later; the same command goes on")
        return _TryAgain(spent, seconds if seconds is not None else 60.0, is_limit=True)


class _TryAgain(Exception):
    """A fault that may pass; `error` is what to say if it does not."""

    def __init__(self, error: CarharvestError, after_s: float | None = None, is_limit: bool = False) -> None:
        super().__init__(str(error))
        self.error = error
        self.after_s = after_s
        self.is_limit = is_limit


def text_of(entry: Mapping[str, Any], name: str, most: int = 1000) -> str:
    """A field's text, safe to print; "" where it is missing or no text."""
    value = entry.get(name)
    return printable(value, most) if isinstance(value, str) else ""


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
