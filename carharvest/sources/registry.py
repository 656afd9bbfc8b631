"""Sources by name: ours and those of other packages, found by the entry point `carharvest.sources`.

An entry point names a function that takes a Desk and gives a Source; it raises MissingKey or MissingExtra where the
source cannot be asked as things are.
"""

from importlib.metadata import EntryPoint, entry_points
from typing import cast

from carharvest.errors import CarharvestError, UnknownSource
from carharvest.sources.base import Desk, Source

GROUP = "carharvest.sources"


def source_names() -> list[str]:
    """Every registered source, in order of the alphabet."""
    return sorted(_registered())


def make_source(name: str, desk: Desk) -> Source:
    """Raises UnknownSource, and what the source raises where it lacks a key or a package."""
    found = _registered().get(name)
    if found is None:
        raise UnknownSource(f"there is no source {name!r}", hint=f"sources are: {', '.join(source_names())}")
    try:
        make = found.load()
    except (ImportError, AttributeError) as error:
        raise UnknownSource(
            f"the source {name!r} ({found.value}) cannot be loaded: {error}", hint="reinstall the package it comes from"
        ) from error
    return cast(Source, make(desk))


def configured_sources(desk: Desk) -> tuple[list[Source], dict[str, CarharvestError]]:
    """The sources that can be asked, and for each other one the reason why not."""
    ready: list[Source] = []
    lacking: dict[str, CarharvestError] = {}
    for name in source_names():
        try:
            ready.append(make_source(name, desk))
        except CarharvestError as error:
            lacking[name] = error
    return ready, lacking


def _registered() -> dict[str, EntryPoint]:
    found = sorted(entry_points(group=GROUP), key=lambda point: point.value.startswith("carharvest."))
    return {point.name: point for point in found}  # ours come last: no other package can take their names
