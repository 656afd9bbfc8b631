"""What a source is, what it is made with, and how a brand and a view become a query."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from pydantic import SecretStr

from carharvest.brands import Brand
from carharvest.errors import MissingKey
from carharvest.records import VIEW_WORDS, Candidate, Query, View
from carharvest.settings import Settings
from carharvest.sources.quota import Countdown, Quota, Window

if TYPE_CHECKING:
    from carharvest.sources.api import Api

QUERY_TEMPLATE = "{brand} car {view}"


class Source(Protocol):
    """A place candidates come from. A new source is one file and one test."""

    @property
    def name(self) -> str: ...

    @property
    def per_request(self) -> int:
        """Candidates that one request brings at most: what a query costs."""
        ...

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """What the source offers for the query, at most `limit`.

        Raises a CarharvestError where the source refuses or does not answer as documented.
        """
        ...


@dataclass(frozen=True, slots=True)
class Desk:
    """What a source is made with: settings, and how to ask politely."""

    settings: Settings
    wait: Countdown | None = None  # None: stop where a quota is used up
    fresh: bool = False  # ask anew what was asked in the last 24 hours
    licenses: frozenset[str] = frozenset()  # only these, if any; a source may pass them on

    def quota(self, name: str, *windows: Window) -> Quota:
        """The requests of a source, counted over all runs in the workspace."""
        return Quota(self.settings.workspace / "quota" / f"{name}.json", windows, self.wait)

    def api(
        self, name: str, *windows: Window, documented: Callable[[Mapping[str, Any]], bool], key_hint: str = ""
    ) -> "Api":
        """A JSON API under its quota, with answers kept for 24 hours."""
        from carharvest.sources.api import Api, cached_session

        session = cached_session(self.cache_file, self.settings.user_agent)
        hint = key_hint or "the source may be closed to you"
        return Api(name, session, self.quota(name, *windows), documented, key_hint=hint, fresh=self.fresh)

    def key(self, secret: SecretStr | None, variable: str, where: str) -> str:
        """The API key. Raises MissingKey, which tells where to get one."""
        key = secret.get_secret_value().strip() if secret else ""
        if not key:
            raise MissingKey(f"{variable} is not set", hint=f"get one at {where}, then: export {variable}=…")
        return key

    def options(self, name: str) -> Mapping[str, Any]:
        """The table [sources.NAME] of carharvest.toml: for sources that are not ours."""
        return self.settings.sources.get(name, {})

    @property
    def cache_file(self) -> Path:
        return self.settings.workspace / "cache" / "responses.sqlite"

    @property
    def kept_page_folder(self) -> Path:
        return self.settings.workspace / "cache" / "pages"

    @property
    def page_folder(self) -> Path:
        """Pages without pictures, for a look."""
        return self.settings.workspace / "pages"


def queries(brands: Iterable[Brand], views: Sequence[View], text: str | None) -> list[Query]:
    """One query for each brand and view; `text` overrides the words ({brand} and {view} in it are filled in)."""
    template = text or QUERY_TEMPLATE
    asked: list[Query] = []
    for brand in brands:
        wanted: Sequence[View | None] = views or [None]
        for view in wanted:
            asked.append(Query(filled(template, brand.name, view), brand.key, view))
    return asked


def filled(template: str, brand: str, view: View | None) -> str:
    """The words of a query."""
    text = template.replace("{brand}", brand).replace("{view}", VIEW_WORDS[view] if view else "")
    return " ".join(text.split())


def licensed(candidates: Iterable[Candidate], licenses: frozenset[str]) -> Iterator[Candidate]:
    """Those under one of the licences; all, if none is named."""
    return (candidate for candidate in candidates if not licenses or candidate.license in licenses)


def limited(candidates: Iterator[Candidate], limit: int | None) -> Iterator[Candidate]:
    """The first `limit`; the rest is not asked for."""
    for given, candidate in enumerate(candidates, start=1):
        yield candidate
        if given == limit:
            return
