"""What a source is, and how a brand and a view become a query."""

from collections.abc import Iterable, Iterator, Sequence
from typing import Protocol

from carharvest.brands import Brand
from carharvest.records import VIEW_WORDS, Candidate, Query, View

QUERY_TEMPLATE = "{brand} car {view}"


class Source(Protocol):
    """A place candidates come from. A new source is one file and one test."""

    @property
    def name(self) -> str: ...

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """What the source offers for the query, at most `limit`.

        Raises a CarharvestError where the source refuses or does not answer as documented.
        """
        ...


def queries(brands: Iterable[Brand], views: Sequence[View], text: str | None) -> list[Query]:
    """One query for each brand and view; `text` overrides the words ({brand} and {view} in it are filled in)."""
    template = text or QUERY_TEMPLATE
    asked: list[Query] = []
    for brand in brands:
        wanted: Sequence[View | None] = views or [None]
        for view in wanted:
            filled = template.replace("{brand}", brand.name).replace("{view}", VIEW_WORDS[view] if view else "")
            asked.append(Query(" ".join(filled.split()), brand.key, view))
    return asked
