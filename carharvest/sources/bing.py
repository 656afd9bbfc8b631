"""Bing's picture search, through icrawler's feeder and parser."""

import html
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import requests
from bs4 import BeautifulSoup
from icrawler.builtin import BingFeeder, BingParser

from carharvest.records import Candidate, Query
from carharvest.sources.base import Desk
from carharvest.sources.pages import OriginSession, ResultPages

HOME = "https://www.bing.com"  # where icrawler's feeder sends its questions
MAX_RESULTS = 1000  # Bing repeats itself beyond; icrawler 0.6.10, BingImageCrawler.crawl
_PER_PAGE = 20  # icrawler's feeder moves on by 20


class MetadataParser(BingParser):  # type: ignore[misc]  # icrawler has no types
    """icrawler's parser, and what it leaves out: pages, titles, and pictures that are no .jpg. Always a list."""

    def parse(self, response: requests.Response, **_: Any) -> list[dict[str, str]]:
        soup = BeautifulSoup(response.content.decode("utf-8", "replace"), "lxml")
        found: dict[str, dict[str, str]] = {}
        for link in soup.find_all("a", attrs={"m": True}):
            try:
                about = json.loads(html.unescape(str(link["m"])))
            except ValueError:
                continue
            url = about.get("murl") if isinstance(about, dict) else None
            if isinstance(url, str) and url.startswith(("http://", "https://")):
                picture = {"file_url": url, "page_url": str(about.get("purl", "")), "title": _plain(about.get("t"))}
                found.setdefault(url, picture)
        if found:
            return list(found.values())
        return [{"file_url": picture["file_url"]} for picture in super().parse(response) or ()]


def _plain(title: object) -> str:
    """A title without the private-use characters with which Bing marks the words that were asked for."""
    return "".join(c for c in title if not "\ue000" <= c <= "\uf8ff") if isinstance(title, str) else ""


def make(desk: Desk) -> "BingSource":
    settings = desk.settings.bing
    return BingSource(desk.page_folder, desk.kept_page_folder, settings.url, settings.delay_s, desk.fresh)


@dataclass
class BingSource:
    """Asks Bing for pictures; pages without any are kept in `page_folder` for a look."""

    page_folder: Path
    kept_folder: Path
    origin: str = HOME
    delay_s: float = 2.0
    fresh: bool = False
    name: str = "bing"
    per_request: int = _PER_PAGE

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises EmptyResult for a first page without pictures, NoNetwork, SourceFailed."""
        pages = ResultPages(
            self.name, self.origin, BingFeeder, MetadataParser, MAX_RESULTS, self.page_folder, self.kept_folder,
            self.delay_s, _explain, self.fresh,
        )  # fmt: skip
        yield from pages.candidates(query, OriginSession(HOME, self.origin), limit)


def _explain(page: str) -> tuple[str, str]:
    return "has no picture in it", "look at the page; it may ask for a proof that you are a person; or scrape commons"
