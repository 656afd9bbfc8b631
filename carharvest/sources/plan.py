"""A harvest plan: brands x views x queries x sources, with limits and quotas, from a TOML file."""

import tomllib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from carharvest.brands import BrandMapping
from carharvest.errors import BadPlan, CarharvestError, EmptyResult
from carharvest.records import Candidate, Query, View
from carharvest.sources.base import QUERY_TEMPLATE, Source, licensed, limited, queries

PER_QUERY = 80  # one page of Pexels
_LOOKED_AT = 10  # where a licence is asked for, so many times the limit are looked through


@dataclass(frozen=True, slots=True)
class Ask:
    """A query to a source, and how many candidates of it are wanted."""

    source: Source
    query: Query
    limit: int | None

    @property
    def requests(self) -> int:
        """What it costs the source at most; 0 for files of this machine."""
        if not self.source.per_request:
            return 0
        return -(-(self.limit or PER_QUERY) // self.source.per_request)

    def candidates(self, licenses: frozenset[str]) -> Iterator[Candidate]:
        """What the source offers under one of the licences (any, if none is named)."""
        if not licenses or self.limit is None:
            return licensed(self.source.candidates(self.query, limit=self.limit), licenses)
        found = self.source.candidates(self.query, limit=_LOOKED_AT * self.limit)
        return limited(licensed(found, licenses), self.limit)


class Plan(BaseModel):
    """What harvest.toml says. `quota` (and `quotas` for single brands) end the asking for a brand."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    brands: list[str] = Field(min_length=1)  # any names; "all" is every brand of brand_mapping.yaml
    views: list[View] = []
    queries: list[str] = Field(default=[QUERY_TEMPLATE], min_length=1)
    sources: list[str] | dict[str, int] = Field(min_length=1)  # names, or names with limits of their own
    limit: int = Field(default=PER_QUERY, ge=1)  # candidates of each query
    licenses: list[str] = []
    quota: int | None = Field(default=None, ge=1)  # photos of a brand
    quotas: dict[str, int] = {}

    def asks(self, mapping: BrandMapping, sources: Sequence[Source]) -> list[Ask]:
        """Every query to every source, brand by brand. Raises UnknownBrand."""
        limits = self.sources if isinstance(self.sources, dict) else {}
        chosen = mapping.brands.values() if self.brands == ["all"] else [mapping.resolve(name) for name in self.brands]
        return [
            Ask(source, query, limits.get(source.name, self.limit))
            for brand in chosen
            for source in sources
            for template in self.queries
            for query in queries([brand], self.views, template)
        ]

    def quota_of(self, mapping: BrandMapping) -> dict[str, int]:
        """Brand key -> most photos. Raises UnknownBrand."""
        named = {mapping.resolve(name).key: most for name, most in self.quotas.items()}
        general = dict.fromkeys(mapping.brands, self.quota) if self.quota is not None else {}
        return {**general, **named}


def read_plan(file: Path) -> Plan:
    """Raises BadPlan, naming every entry that makes no sense."""
    try:
        return Plan.model_validate(tomllib.loads(file.read_text(encoding="utf-8")))
    except OSError as error:
        raise BadPlan(f"{file} cannot be read: {error.strerror}", hint="docs/harvesting.md shows one") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise BadPlan(f"{file} is no TOML: {error}", hint="mend the line it names") from error
    except ValidationError as error:
        problems = "; ".join(f"{'.'.join(map(str, e['loc']))}: {e['msg']}" for e in error.errors())
        raise BadPlan(f"{file} makes no sense: {problems}", hint="docs/harvesting.md shows what it may say") from None


@dataclass
class Asking:
    """Goes through asks, one after the other; a source that fails is left out, and does not stop the others."""

    licenses: frozenset[str]
    failed: dict[str, CarharvestError]
    at: Ask | None = None
    number: int = 0

    def candidates(self, asks: Sequence[Ask]) -> Iterator[Candidate]:
        """What all the asks bring."""
        for ask in asks:
            self.number += 1
            self.at = ask
            before = self.failed.get(ask.source.name)
            if before is not None and not isinstance(before, EmptyResult):
                continue
            try:
                yield from ask.candidates(self.licenses)
            except CarharvestError as error:
                self.failed[ask.source.name] = error
