"""The Pexels API, version 1: search for photos. https://www.pexels.com/api/documentation/"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from carharvest.errors import SourceFailed
from carharvest.licenses import LICENSES
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.api import Api, text_of
from carharvest.sources.base import Desk, limited
from carharvest.sources.quota import HOUR_S, Window
from carharvest.text import printable

MAX_PER_PAGE = 80  # API documentation, "Search for Photos"
LIMIT = Window(200, HOUR_S)  # API documentation, "Guidelines"; 20,000 a month beside it
_LICENSE = LICENSES["pexels"]
_KEY_HINT = "check PEXELS_API_KEY; keys are at https://www.pexels.com/api/key/"


def is_documented(page: Mapping[str, Any]) -> bool:
    """Whether an answer has the shape of a page of photos."""
    return isinstance(page.get("photos"), list)


def make(desk: Desk) -> "PexelsSource":
    """Raises MissingKey."""
    key = desk.key(desk.settings.pexels_api_key, "PEXELS_API_KEY", "https://www.pexels.com/api/ (free)")
    api = desk.api("pexels", LIMIT, documented=is_documented, key_hint=_KEY_HINT)
    return PexelsSource(key, api, base_url=desk.settings.pexels.url)


@dataclass
class PexelsSource:
    """Searches Pexels. The key goes into the Authorization header and nowhere else."""

    key: str = field(repr=False)
    api: Api
    name: str = "pexels"
    base_url: str = "https://api.pexels.com"
    orientation: str | None = None
    size: str | None = None
    color: str | None = None
    locale: str | None = None
    photo_size: str = "large2x"  # which of a photo's `src` addresses is taken
    per_request: int = MAX_PER_PAGE

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Photos for the query, page by page. Raises WrongKey, QuotaSpent, NoNetwork or SourceFailed."""
        return limited(self._all(query, min(limit or MAX_PER_PAGE, MAX_PER_PAGE)), limit)

    def _all(self, query: Query, per_page: int) -> Iterator[Candidate]:
        params: dict[str, str | int] = {"query": query.text, "per_page": per_page}
        for name in ("orientation", "size", "color", "locale"):
            if getattr(self, name):
                params[name] = getattr(self, name)
        url: str | None = f"{self.base_url}/v1/search"
        while url is not None:
            page = self.api.page(url, params, {"Authorization": self.key})
            for entry in page["photos"]:
                candidate = self._candidate(entry, query)
                if candidate is not None:
                    yield candidate
            url, params = self._next_page(page), {}

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
            alt=text_of(entry, "alt"),
            author=text_of(entry, "photographer"),
            author_url=text_of(entry, "photographer_url"),
            license=_LICENSE.id,
            license_url=_LICENSE.url,
            page_url=text_of(entry, "url"),
        )
