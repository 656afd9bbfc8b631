"""Google's picture search: icrawler's feeder, a parser of our own, and a browser if there is one.

Since 2025 Google answers plain HTTP clients with a page that only JavaScript fills, so a browser has to render it.
"""

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from icrawler.builtin import GoogleFeeder, GoogleParser

from carharvest.records import Candidate, Query
from carharvest.sources.base import Desk, limited
from carharvest.sources.browser import BrowserPages, find_browser
from carharvest.sources.pages import OriginSession, ResultPages

HOME = "https://www.google.com"  # where icrawler's feeder sends its questions
MAX_RESULTS = 1000  # Google repeats itself beyond; icrawler 0.6.10, GoogleImageCrawler.crawl
_PER_PAGE = 100  # icrawler's feeder asks for pages of 100

_STRING = r'"((?:[^"\\]|\\.)*)"'
# A result's data: ["address", height, width]; the addresses of thumbnails are gstatic's.
_PICTURE = re.compile(rf"\[{_STRING},\s*(\d+),\s*(\d+)\]")
# What follows names the page and its title: "2003":[null,"id","page","title"
_PAGE = re.compile(rf'"2003":\[null,{_STRING},{_STRING},{_STRING}')
_LINK = re.compile(r'href="(/imgres\?[^"]+)"')
# Marks of the page for clients that run no JavaScript.
_SHELL = re.compile(r"enablejs|enable javascript|<noscript>", re.IGNORECASE)
_CONSENT = re.compile(r"consent\.google\.|before you continue", re.IGNORECASE)


class PictureParser(GoogleParser):  # type: ignore[misc]  # icrawler has no types
    """Finds the pictures of a result page; no pictures give an empty list, never None."""

    def parse(self, response: requests.Response, **_: Any) -> list[dict[str, str]]:
        return pictures_in(response.content.decode("utf-8", "replace"))


def make(desk: Desk) -> "GoogleSource":
    """With a browser where the extra and one are installed; without, Google most likely answers with an empty shell."""
    settings = desk.settings.google
    browser = find_browser(settings.browser)
    return GoogleSource(desk.page_folder, desk.kept_page_folder, settings.url, settings.delay_s, browser, desk.fresh)


@dataclass
class GoogleSource:
    """Asks Google for pictures; pages without any are kept in `page_folder` for a look."""

    page_folder: Path
    kept_folder: Path
    origin: str = HOME
    delay_s: float = 2.0
    browser: Path | None = None
    fresh: bool = False
    name: str = "google"
    per_request: int = _PER_PAGE

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises EmptyResult for a first page without pictures, NoNetwork, SourceFailed."""
        pages = ResultPages(
            self.name, self.origin, GoogleFeeder, PictureParser, MAX_RESULTS, self.page_folder, self.kept_folder,
            self.delay_s, self._explain, self.fresh,
        )  # fmt: skip
        # The feeder counts whole pages; what is too much is not taken.
        wanted = -(-(limit or MAX_RESULTS) // _PER_PAGE) * _PER_PAGE
        if self.browser is None:
            found = pages.candidates(query, OriginSession(HOME, self.origin), wanted)
            yield from limited(found, limit)
            return
        with BrowserPages(self.browser, HOME, self.origin, wanted, count=lambda p: len(pictures_in(p))) as reader:
            yield from limited(pages.candidates(query, reader, wanted), limit)

    def _explain(self, page: str) -> tuple[str, str]:
        if self.browser is None and (_SHELL.search(page) or _CONSENT.search(page)):
            return (
                "is the shell that only a browser with JavaScript can fill",
                "pip install 'carharvest[browser]' and have Chromium or Chrome installed; "
                "or try: carharvest scrape bing",
            )
        return "has no picture in it", "look at the page; or try: carharvest scrape bing"


def pictures_in(page: str) -> list[dict[str, str]]:
    """Every picture of a result page, once: `file_url`, `page_url`, `title`."""
    found: dict[str, dict[str, str]] = {}
    for match in _PICTURE.finditer(page):
        url = _unquoted(match[1])
        host = urlsplit(url).hostname or ""
        if not url.startswith(("http://", "https://")) or host.endswith(("gstatic.com", "google.com")):
            continue
        rest = _PAGE.search(page, match.end(), match.end() + 2000)
        found.setdefault(
            url,
            {
                "file_url": url,
                "page_url": _unquoted(rest[2]) if rest else "",
                "title": _unquoted(rest[3]) if rest else "",
            },
        )
    for match in _LINK.finditer(page):
        fields = parse_qs(urlsplit(match[1].replace("&amp;", "&")).query)
        url = fields.get("imgurl", [""])[0]
        if url.startswith(("http://", "https://")):
            found.setdefault(url, {"file_url": url, "page_url": fields.get("imgrefurl", [""])[0], "title": ""})
    return list(found.values())


def _unquoted(text: str) -> str:
    """A JavaScript string's value: \\u003d is =, \\/ is /, \\x3d is =."""
    try:
        value = json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text) + '"')
    except ValueError:
        return text
    return str(value)
