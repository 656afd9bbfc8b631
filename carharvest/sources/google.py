"""Google's picture search: icrawler's feeder and session, a parser of our own that always gives a list."""

import json
import re
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import requests
from icrawler.builtin import GoogleFeeder, GoogleParser
from icrawler.utils import CachedQueue, ProxyPool, Session, Signal

from carharvest.errors import EmptyResult, NoNetwork, SourceFailed
from carharvest.records import Candidate, Query, WebAddress
from carharvest.text import printable

ORIGIN = "https://www.google.com"
MAX_RESULTS = 1000  # Google repeats itself beyond; icrawler 0.6.10, GoogleImageCrawler.crawl
_PER_PAGE = 100  # icrawler's feeder asks for pages of 100
_TIMEOUT_S = (10, 30)
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"

_STRING = r'"((?:[^"\\]|\\.)*)"'
# A result's data: ["address", height, width]; the addresses of thumbnails are gstatic's.
_PICTURE = re.compile(rf"\[{_STRING},\s*(\d+),\s*(\d+)\]")
# What follows names the page and its title: "2003":[null,"id","page","title"
_PAGE = re.compile(rf'"2003":\[null,{_STRING},{_STRING},{_STRING}')
_LINK = re.compile(r'href="(/imgres\?[^"]+)"')


class PictureParser(GoogleParser):  # type: ignore[misc]
    """Finds the pictures of a result page; no pictures give an empty list, never None."""

    def parse(self, response: requests.Response, **_: Any) -> list[dict[str, str]]:
        page = response.content.decode("utf-8", "replace")
        return pictures_in(page)


class OriginSession(Session):  # type: ignore[misc]
    """icrawler's session; what its feeder asks of Google goes to `origin`."""

    def __init__(self, origin: str) -> None:
        super().__init__(ProxyPool())
        self.headers["User-Agent"] = _USER_AGENT
        self._origin = origin

    def get(self, url: str, **options: Any) -> requests.Response:
        response: requests.Response = super().get(url.replace(ORIGIN, self._origin, 1), **options)
        return response


@dataclass
class GoogleSource:
    """Asks Google for pictures; pages without any are kept in `page_folder` for a look."""

    page_folder: Path
    name: str = "google"
    origin: str = ORIGIN
    delay_s: float = 2.0

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Raises EmptyResult for a first page without pictures, NoNetwork, SourceFailed."""
        session = OriginSession(self.origin)
        parser = PictureParser(1, Signal(), session)
        wanted = min(limit or MAX_RESULTS, MAX_RESULTS)
        given: set[str] = set()
        for number, url in enumerate(_page_urls(query.text, wanted, session)):
            if number:
                time.sleep(self.delay_s)
            response = self._page(session, url)
            found = parser.parse(response)
            fresh = [picture for picture in found if picture["file_url"] not in given]
            if not fresh:
                if not given:
                    raise self._empty(response, query)
                return
            for picture in fresh:
                given.add(picture["file_url"])
                yield Candidate(
                    source=self.name,
                    place=WebAddress(picture["file_url"]),
                    query=query.text,
                    brand_asked=query.brand,
                    view_asked=query.view,
                    title=printable(picture["title"]),
                    page_url=printable(picture["page_url"], 2000),
                )
                if len(given) >= wanted:
                    return

    def _page(self, session: OriginSession, url: str) -> requests.Response:
        try:
            response = session.get(url, timeout=_TIMEOUT_S, headers={"Referer": f"{self.origin}/"})
        except requests.RequestException as error:
            raise NoNetwork(
                f"google cannot be reached ({type(error).__name__})",
                hint="check the network, or try: carharvest scrape sample",
            ) from error
        if response.status_code != requests.codes.ok:
            raise SourceFailed(
                f"google answered {response.status_code}",
                hint="it limits who asks too often; try later, or scrape pexels",
            )
        return response

    def _empty(self, response: requests.Response, query: Query) -> EmptyResult:
        self.page_folder.mkdir(parents=True, exist_ok=True)
        saved = self.page_folder / f"google-{time.strftime('%Y%m%d-%H%M%S')}.html"
        saved.write_bytes(response.content)
        return EmptyResult(
            f"google's page for {printable(query.text, 80)!r} has no picture in it (saved as {saved})",
            hint="google often sends a page that only a browser can fill; try: carharvest scrape pexels",
        )


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


def _page_urls(text: str, wanted: int, session: OriginSession) -> list[str]:
    feeder = GoogleFeeder(1, Signal(), session)
    feeder.out_queue = CachedQueue()  # without a bound: the feeder is run here, not in a thread
    feeder.feed(keyword=text, offset=0, max_num=-(-wanted // _PER_PAGE) * _PER_PAGE)
    return [feeder.out_queue.get_nowait() for _ in range(feeder.out_queue.qsize())]


def _unquoted(text: str) -> str:
    """A JavaScript string's value: \\u003d is =, \\/ is /, \\x3d is =."""
    try:
        value = json.loads('"' + re.sub(r"\\x([0-9a-fA-F]{2})", r"\\u00\1", text) + '"')
    except ValueError:
        return text
    return str(value)
