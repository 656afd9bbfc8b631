"""The Pexels API, version 1: search for photos. https://www.pexels.com/api/documentation/"""

import logging
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

import requests

from carharvest.errors import NoNetwork, QuotaSpent, SourceFailed, WrongKey
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.quota import HourlyQuota
from carharvest.text import printable

MAX_PER_PAGE = 80  # API documentation, "Search for Photos"
REQUESTS_PER_HOUR = 200  # API documentation, "Guidelines"; 20,000 a month beside it
LICENSE = "pexels"
LICENSE_URL = "https://www.pexels.com/license/"
_TIMEOUT_S = (10, 30)
_PATIENCE = 5  # times that a 429 is waited out for one page
_LONGEST_WAIT_S = 2 * 3600.0  # a monthly reset is weeks away; nobody wants to wait for that

logger = logging.getLogger(__name__)


@dataclass
class PexelsSource:
    """Searches Pexels. The key goes into the Authorization header and nowhere else."""

    key: str = field(repr=False)
    quota: HourlyQuota
    name: str = "pexels"
    base_url: str = "https://api.pexels.com"
    orientation: str | None = None
    size: str | None = None
    color: str | None = None
    locale: str | None = None
    photo_size: str = "large2x"  # which of a photo's `src` addresses is taken
    _session: requests.Session = field(default_factory=requests.Session, init=False, repr=False)

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Photos for the query, page by page. Raises WrongKey, QuotaSpent, NoNetwork or SourceFailed."""
        params: dict[str, str | int] = {"query": query.text, "per_page": min(limit or MAX_PER_PAGE, MAX_PER_PAGE)}
        for name in ("orientation", "size", "color", "locale"):
            if getattr(self, name):
                params[name] = getattr(self, name)
        url: str | None = f"{self.base_url}/v1/search"
        given = 0
        while url is not None:
            page = self._page(url, params)
            for entry in _entries(page):
                candidate = self._candidate(entry, query)
                if candidate is None:
                    continue
                yield candidate
                given += 1
                if limit is not None and given >= limit:
                    return
            url, params = self._next_page(page), {}

    def _page(self, url: str, params: Mapping[str, str | int]) -> Mapping[str, Any]:
        for _ in range(_PATIENCE):
            self.quota.take()
            response = self._get(url, params)
            if response.status_code != requests.codes.too_many_requests:
                return self._checked(response)
            self._wait_for_reset(response)
        raise QuotaSpent(
            f"{self.name} goes on answering 429 (too many requests)", hint="try again later; the same command goes on"
        )

    def _get(self, url: str, params: Mapping[str, str | int]) -> requests.Response:
        try:
            # No redirects: the key must not travel to another host.
            return self._session.get(
                url, params=params, headers={"Authorization": self.key}, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise NoNetwork(
                f"{self.name} cannot be reached at {urlsplit(url).netloc} ({type(error).__name__})",
                hint="check the network; without one, try: carharvest scrape sample, or scrape folder",
            ) from error

    def _checked(self, response: requests.Response) -> Mapping[str, Any]:
        if response.status_code in {requests.codes.unauthorized, requests.codes.forbidden}:
            raise WrongKey(
                f"{self.name} refuses the API key ({response.status_code})",
                hint="check PEXELS_API_KEY; keys are at https://www.pexels.com/api/key/",
            )
        if response.status_code != requests.codes.ok:
            raise SourceFailed(
                f"{self.name} answered {response.status_code} to a search",
                hint="try again later; the same command goes on",
            )
        try:
            page = response.json()
        except requests.JSONDecodeError:
            page = None
        if not isinstance(page, dict) or not isinstance(page.get("photos"), list):
            raise SourceFailed(
                f"{self.name} answered with something else than its documented JSON", hint="try again later"
            )
        logger.debug(
            "%s: page %s, %s results, %s of %s requests left",
            self.name,
            page.get("page"),
            page.get("total_results"),
            response.headers.get("X-Ratelimit-Remaining"),
            response.headers.get("X-Ratelimit-Limit"),
        )
        return page

    def _wait_for_reset(self, response: requests.Response) -> None:
        now = time.time()
        seconds = _number(response.headers.get("Retry-After"))
        reset = _number(response.headers.get("X-Ratelimit-Reset"))  # a UNIX time: when the month rolls over
        if seconds is None and response.headers.get("X-Ratelimit-Remaining") == "0" and reset is not None:
            seconds = max(1.0, reset - now)
            if seconds > _LONGEST_WAIT_S:
                back = time.strftime("%Y-%m-%d %H:%M", time.localtime(reset))
                raise QuotaSpent(
                    f"the monthly quota of {self.name} is used up",
                    hint=f"come back after {back}; the same command goes on",
                )
        self.quota.pause(seconds if seconds is not None else 60.0, f"{self.name} answered 429")

    def _next_page(self, page: Mapping[str, Any]) -> str | None:
        url = page.get("next_page")
        if not isinstance(url, str) or not url:
            return None
        here, there = urlsplit(self.base_url), urlsplit(url)
        if (here.scheme, here.netloc) != (there.scheme, there.netloc):
            raise SourceFailed(
                f"{self.name} names a next page on another host ({printable(there.netloc, 60)})",
                hint="the key is not sent there; report it if it goes on",
            )
        return url

    def _candidate(self, entry: Any, query: Query) -> Candidate | None:
        if not isinstance(entry, dict) or not isinstance(entry.get("src"), dict):
            return None
        url = entry["src"].get(self.photo_size) or entry["src"].get("original")
        if not isinstance(url, str):
            return None
        return Candidate(
            source=self.name,
            place=WebAddress(url),
            query=query.text,
            brand_asked=query.brand,
            view_asked=query.view,
            alt=_text(entry, "alt"),
            author=_text(entry, "photographer"),
            author_url=_text(entry, "photographer_url"),
            license=LICENSE,
            license_url=LICENSE_URL,
            page_url=_text(entry, "url"),
        )


def _entries(page: Mapping[str, Any]) -> list[Any]:
    return list(page["photos"])


def _text(entry: Mapping[str, Any], name: str) -> str:
    value = entry.get(name)
    return printable(value) if isinstance(value, str) else ""


def _number(text: str | None) -> float | None:
    try:
        return float(text) if text is not None else None
    except ValueError:
        return None
