"""Wikimedia Commons through the MediaWiki API: licence, author and description page of every file.

https://commons.wikimedia.org/w/api.php; it asks for a User-Agent with a contact, and for one request at a time.
"""

import html
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urljoin

from carharvest.licenses import license_id, license_url
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.api import Api, text_of
from carharvest.sources.base import Desk, limited
from carharvest.sources.quota import Window
from carharvest.text import printable

PER_PAGE = 50  # the most that `generator` may give with `prop=imageinfo` to a client without special rights
LIMIT = Window(1, 1.0)
WIDTH_PX = 1280  # one of the widths at which Wikimedia keeps thumbnails ready
_TAG = re.compile(r"<[^>]*>")
_HREF = re.compile(r"""href\s*=\s*["']([^"']+)["']""")
_FIELDS = "License|LicenseShortName|LicenseUrl|Artist|ObjectName|ImageDescription"


def make(desk: Desk) -> "CommonsSource":
    api = desk.api("commons", LIMIT, documented=_is_documented)
    return CommonsSource(api, desk.settings.commons.url)


def _is_documented(page: Mapping[str, Any]) -> bool:
    # Without results, `query` is left out and `batchcomplete` says that this is all.
    return isinstance(page.get("query"), dict) or ("batchcomplete" in page and "error" not in page)


@dataclass
class CommonsSource:
    """Searches Wikimedia Commons for bitmaps."""

    api: Api
    url: str
    name: str = "commons"
    per_request: int = PER_PAGE

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Files for the query, page by page. Raises QuotaSpent, NoNetwork or SourceFailed."""
        return limited(self._all(query), limit)

    def _all(self, query: Query) -> Iterator[Candidate]:
        params: dict[str, str | int] = {
            "action": "query",
            "format": "json",
            "formatversion": 2,
            "generator": "search",
            "gsrsearch": f"{query.text} filetype:bitmap",
            "gsrnamespace": 6,  # files
            "gsrlimit": PER_PAGE,
            "prop": "imageinfo",
            "iiprop": "url|size|mime|user|extmetadata",
            "iiextmetadatafilter": _FIELDS,
            "iiurlwidth": WIDTH_PX,
            "maxlag": 5,
        }
        more: dict[str, str | int] = {}
        while True:
            page = self.api.page(self.url, {**params, **more})
            found = page.get("query", {}).get("pages", [])
            for entry in sorted((e for e in found if isinstance(e, dict)), key=_rank):
                candidate = self._candidate(entry, query)
                if candidate is not None:
                    yield candidate
            following = page.get("continue")
            if not isinstance(following, dict):
                return
            more = {str(name): value for name, value in following.items() if isinstance(value, str | int)}

    def _candidate(self, entry: Mapping[str, Any], query: Query) -> Candidate | None:
        infos = entry.get("imageinfo")
        info = infos[0] if isinstance(infos, list) and infos and isinstance(infos[0], dict) else {}
        url = info.get("thumburl") or info.get("url")
        if not isinstance(url, str):
            return None
        meta = info.get("extmetadata")
        fields = meta if isinstance(meta, dict) else {}
        short, code = _value(fields, "LicenseShortName"), _value(fields, "License")
        id_ = license_id(code, short, _value(fields, "LicenseUrl"))
        artist = _value(fields, "Artist")
        title = text_of(entry, "title").removeprefix("File:")
        return Candidate(
            source=self.name,
            place=WebAddress(url),
            query=query.text,
            brand_asked=query.brand,
            view_asked=query.view,
            title=title.rpartition(".")[0] or title,
            alt=printable(_plain(_value(fields, "ImageDescription")), 1000),
            author=printable(_plain(artist), 300) or text_of(info, "user"),
            author_url=_link(artist),
            license=id_,
            license_url=printable(_value(fields, "LicenseUrl"), 500) or license_url(id_, short),
            page_url=text_of(info, "descriptionurl", 2000),
            file_name=title,
        )


def _rank(entry: Mapping[str, Any]) -> int:
    """Pages come in any order; `index` is the place in the search."""
    index = entry.get("index")
    return index if isinstance(index, int) else 0


def _value(fields: Mapping[str, Any], name: str) -> str:
    field = fields.get(name)
    value = field.get("value") if isinstance(field, dict) else None
    return value if isinstance(value, str) else ""


def _plain(markup: str) -> str:
    """The text of a bit of HTML; what is safe to show is decided where it is shown."""
    return html.unescape(_TAG.sub(" ", markup[:5000]))


def _link(markup: str) -> str:
    """The first web address that a bit of HTML links to."""
    found = _HREF.search(markup[:5000])
    address = urljoin("https://commons.wikimedia.org/", html.unescape(found[1])) if found else ""
    return printable(address, 500) if address.startswith(("https://", "http://")) else ""
