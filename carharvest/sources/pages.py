"""Result pages of search engines, through icrawler's feeders, parsers and session."""

import hashlib
import io
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import requests
from icrawler import Feeder, Parser
from icrawler.utils import CachedQueue, ProxyPool, Session, Signal

from carharvest.errors import CarharvestError, EmptyResult, NoNetwork, SourceFailed
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.api import CACHE_FOR
from carharvest.text import printable

_TIMEOUT_S = (10, 30)
_USER_AGENT = "Mozilla/5.0 (X11; Linux x86_64; rv:128.0) Gecko/20100101 Firefox/128.0"


class OriginSession(Session):  # type: ignore[misc]  # icrawler has no types
    """icrawler's session; what its feeders ask of `home` goes to `origin`."""

    def __init__(self, home: str, origin: str) -> None:
        super().__init__(ProxyPool())
        self.headers["User-Agent"] = _USER_AGENT
        self._home = home
        self._origin = origin

    def get(self, url: str, **options: Any) -> requests.Response:
        response: requests.Response = super().get(url.replace(self._home, self._origin, 1), **options)
        return response


class PageReader(Protocol):
    """Gives a result page: icrawler's session, or a browser."""

    def get(self, url: str, **options: Any) -> requests.Response: ...


@dataclass
class ResultPages:
    """The result pages of one search engine, asked one after the other, and the pictures in them.

    Pages with pictures are kept for 24 hours in `kept_folder`; `fresh` asks anew. A first page without pictures is an
    error, never an empty success, and is kept in `page_folder` for a look.
    """

    name: str
    origin: str
    feeder: type[Feeder]
    parser: type[Parser]
    max_results: int
    page_folder: Path
    kept_folder: Path
    delay_s: float
    explain_empty: "ExplainEmpty"
    fresh: bool = False
    _asked: bool = field(default=False, init=False)

    def candidates(self, query: Query, reader: PageReader, limit: int | None) -> Iterator[Candidate]:
        """Raises EmptyResult for a first page without pictures, NoNetwork, SourceFailed."""
        parser = self.parser(1, Signal(), reader)
        wanted = min(limit or self.max_results, self.max_results)
        given: set[str] = set()
        for url in self._urls(query.text, wanted, reader):
            response = self._kept(url) or self._page(reader, url)
            found = parser.parse(response)
            if found:
                self._keep(url, response.content)
            fresh = [picture for picture in found if picture["file_url"] not in given]
            if not fresh:
                if not given:
                    raise self._empty(response, query)
                return
            for picture in fresh:
                if picture["file_url"] in given:
                    continue
                given.add(picture["file_url"])
                yield Candidate(
                    source=self.name,
                    place=WebAddress(picture["file_url"]),
                    query=query.text,
                    brand_asked=query.brand,
                    view_asked=query.view,
                    title=printable(picture.get("title", "")),
                    page_url=printable(picture.get("page_url", ""), 2000),
                )
                if len(given) >= wanted:
                    return

    def _urls(self, text: str, wanted: int, reader: PageReader) -> list[str]:
        feeder = self.feeder(1, Signal(), reader)
        feeder.out_queue = CachedQueue()  # without a bound: the feeder is run here, not in a thread
        feeder.feed(keyword=text, offset=0, max_num=wanted)
        return [feeder.out_queue.get_nowait() for _ in range(feeder.out_queue.qsize())]

    def _kept(self, url: str) -> requests.Response | None:
        file = self._file(url)
        try:
            is_young = not self.fresh and 0 <= time.time() - file.stat().st_mtime < CACHE_FOR.total_seconds()
            return page_response(200, file.read_bytes(), url) if is_young else None
        except FileNotFoundError:
            return None

    def _keep(self, url: str, content: bytes) -> None:
        file = self._file(url)
        if file.exists() and self._kept(url) is not None:
            return
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(content)

    def _file(self, url: str) -> Path:
        return self.kept_folder / f"{hashlib.sha256(f'{self.origin} {url}'.encode()).hexdigest()}.html"

    def _page(self, reader: PageReader, url: str) -> requests.Response:
        if self._asked:
            time.sleep(self.delay_s)
        self._asked = True
        try:
            response = reader.get(url, timeout=_TIMEOUT_S, headers={"Referer": f"{self.origin}/"})
        except requests.RequestException as error:
            raise NoNetwork(
                f"{self.name} cannot be reached ({type(error).__name__})",
                hint="check the network, or try: carharvest scrape sample",
            ) from error
        if response.status_code != requests.codes.ok:
            raise SourceFailed(
                f"{self.name} answered {response.status_code}",
                hint="it limits who asks too often; try later, or scrape pexels",
            )
        return response

    def _empty(self, response: requests.Response, query: Query) -> CarharvestError:
        self.page_folder.mkdir(parents=True, exist_ok=True)
        saved = self.page_folder / f"{self.name}-{time.strftime('%Y%m%d-%H%M%S')}.html"
        saved.write_bytes(response.content)
        what, hint = self.explain_empty(response.content.decode("utf-8", "replace"))
        return EmptyResult(f"{self.name}'s page for {printable(query.text, 80)!r} {what} (saved as {saved})", hint=hint)


def page_response(status: int, content: bytes, url: str) -> requests.Response:
    """A response as icrawler's parsers want one, of a page that did not come from icrawler's session."""
    response = requests.Response()
    response.status_code = status
    response.url = url
    response.raw = io.BytesIO(content)
    return response


class ExplainEmpty(Protocol):
    """What a page without pictures is, and what to do about it."""

    def __call__(self, page: str, /) -> tuple[str, str]: ...
