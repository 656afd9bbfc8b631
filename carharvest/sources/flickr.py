"""The Flickr API: flickr.photos.search, and the licences as Flickr lists them. https://www.flickr.com/services/api/"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from carharvest.errors import CarharvestError, SourceFailed, WrongKey
from carharvest.licenses import license_id
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.api import Api, text_of
from carharvest.sources.base import Desk, limited
from carharvest.sources.quota import HOUR_S, Window
from carharvest.text import printable

PER_PAGE = 250  # up to 500; with more than 250 Flickr repeats itself in geo queries, and pages stay small
MAX_RESULTS = 4000  # documentation of flickr.photos.search: beyond, it repeats itself
LIMIT = Window(3600, HOUR_S)  # the developer guide: 3,600 queries an hour for a key
_SIZES = ("url_l", "url_c", "url_z", "url_o")  # 1024, 800, 640 px, original: the first that is there
_TIME = re.compile(r"\d{4}-\d\d-\d\d \d\d:\d\d:\d\d")
_EXTRAS = "license,owner_name,description,path_alias,date_taken," + ",".join(_SIZES)
_KEY_HINT = "check FLICKR_API_KEY; keys are at https://www.flickr.com/services/apps/create/"
_BAD_KEY = 100  # documentation of flickr.photos.search, "Invalid API Key"


def make(desk: Desk) -> "FlickrSource":
    """Raises MissingKey."""
    key = desk.key(desk.settings.flickr_api_key, "FLICKR_API_KEY", "https://www.flickr.com/services/apps/create/")
    api = desk.api("flickr", LIMIT, documented=lambda page: page.get("stat") in {"ok", "fail"}, key_hint=_KEY_HINT)
    api.refusal = _refusal
    return FlickrSource(key, api, desk.settings.flickr.url, desk.licenses)


def _refusal(page: Mapping[str, Any]) -> CarharvestError | None:
    """Flickr refuses with status 200 and `stat` "fail"."""
    if page["stat"] == "ok":
        return None
    code = page.get("code")
    if code == _BAD_KEY:
        return WrongKey("flickr refuses the API key", hint=_KEY_HINT)
    message = printable(str(page.get("message", "")), 100)
    return SourceFailed(f"flickr refuses the search ({code}: {message})", hint="try other words, or later")


@dataclass
class FlickrSource:
    """Searches Flickr for photos. The key is a parameter of every request and is kept nowhere."""

    key: str = field(repr=False)
    api: Api
    url: str
    licenses: frozenset[str] = frozenset()
    name: str = "flickr"
    per_request: int = PER_PAGE

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Photos for the query, page by page. Raises WrongKey, QuotaSpent, NoNetwork or SourceFailed."""
        return limited(self._all(query), min(limit or MAX_RESULTS, MAX_RESULTS))

    def _all(self, query: Query) -> Iterator[Candidate]:
        params: dict[str, str | int] = {"text": query.text, "media": "photos", "content_types": "0"}
        params |= {"extras": _EXTRAS, "sort": "relevance", "safe_search": 1, "per_page": PER_PAGE}
        if self.licenses:
            params["license"] = ",".join(number for number, (id_, _) in self._known.items() if id_ in self.licenses)
        number, pages = 1, 1
        while number <= pages:
            found = self._call("flickr.photos.search", {**params, "page": number}).get("photos")
            if not isinstance(found, dict) or not isinstance(found.get("photo"), list):
                raise SourceFailed("flickr answered without photos", hint="try again later")
            for entry in found["photo"]:
                candidate = self._candidate(entry, query)
                if candidate is not None:
                    yield candidate
            pages = found["pages"] if isinstance(found.get("pages"), int) else 1
            number += 1

    def _call(self, method: str, params: Mapping[str, str | int]) -> Mapping[str, Any]:
        call: dict[str, str | int] = {"method": method, "api_key": self.key, "format": "json", "nojsoncallback": 1}
        return self.api.page(self.url, call | dict(params))

    @cached_property
    def _known(self) -> dict[str, tuple[str, str]]:
        """Flickr's number of a licence -> our id and the licence's address."""
        found = self._call("flickr.photos.licenses.getInfo", {}).get("licenses")
        entries = found.get("license") if isinstance(found, dict) else None
        known = {}
        for entry in entries if isinstance(entries, list) else []:
            if isinstance(entry, dict) and "id" in entry:
                name, url = text_of(entry, "name"), text_of(entry, "url")
                known[str(entry["id"])] = (license_id(url, name), url)
        return known

    def _candidate(self, entry: Any, query: Query) -> Candidate | None:
        if not isinstance(entry, dict):
            return None
        url = next((entry[size] for size in _SIZES if isinstance(entry.get(size), str)), None)
        if url is None:
            return None
        owner = text_of(entry, "pathalias") or text_of(entry, "owner")
        described = entry.get("description")
        license_, license_url = self._known.get(str(entry.get("license", "")), ("", ""))
        return Candidate(
            source=self.name,
            place=WebAddress(url),
            query=query.text,
            brand_asked=query.brand,
            view_asked=query.view,
            title=text_of(entry, "title"),
            alt=text_of(described, "_content") if isinstance(described, dict) else "",
            author=text_of(entry, "ownername"),
            author_url=f"https://www.flickr.com/people/{owner}/" if owner else "",
            license=license_,
            license_url=license_url,
            page_url=f"https://www.flickr.com/photos/{owner}/{text_of(entry, 'id')}/" if owner else "",
            taken_at=_taken_at(entry),
        )


def _taken_at(entry: Mapping[str, Any]) -> str:
    """Flickr's "2014-02-11 10:05:33", where it does not only guess."""
    said = text_of(entry, "datetaken")
    if str(entry.get("datetakenunknown", "0")) != "0" or str(entry.get("datetakengranularity", "0")) != "0":
        return ""
    return said.replace(" ", "T") if _TIME.fullmatch(said) else ""
