"""carharvest brands: what brand_mapping.yaml knows, whether it is sound, and what it finds in a text."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperGroup

from carharvest.cli.options import Debug, Json, Quiet
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from carharvest.brands import Brand, BrandMapping
    from carharvest.lineup import Lineups


class _OrBrand(TyperGroup):
    """`carharvest brands vw` is `carharvest brands show vw`."""

    def resolve_command(self, ctx: Any, args: list[str]) -> Any:
        if args and self.get_command(ctx, args[0]) is None and not args[0].startswith("-"):
            args = ["show", *args]
        return super().resolve_command(ctx, args)


app = typer.Typer(
    cls=_OrBrand,
    invoke_without_command=True,
    help="The brands of brand_mapping.yaml: all, or one (brands vw); whether it is sound; what it finds in a text.",
)


@app.callback()
def list_all(ctx: typer.Context, as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    if ctx.invoked_subcommand is not None:
        return
    screen = Screen(quiet=quiet, as_json=as_json)
    mapping = _mapping()
    if as_json:
        screen.json([asdict(brand) for brand in mapping.brands.values()])
        return
    rows = [(b.key, b.name, b.country, b.group, b.tier, b.pair or "", len(b.aliases)) for b in _sorted(mapping)]
    screen.table(str(mapping.path), ["brand", "name", "country", "group", "tier", "pair", "aliases"], rows)
    screen.say(f"{len(rows)} brands, {sum(len(b.aliases) for b in mapping.brands.values()):,} aliases")


@app.command()
def show(
    name: Annotated[str, typer.Argument(help="One brand, by any of its names.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """All that is known of one brand."""
    brand = _mapping().resolve(name)
    _tell_brand(Screen(quiet=quiet, as_json=as_json), brand, _lineups().of(brand.key))


@app.command()
def check(as_json: Json = False, quiet: Quiet = False, debug: Debug = False) -> None:
    """Whether the mapping is sound: words that stand twice, stand for two brands, or are never found."""
    from carharvest.brands import check_brands
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    problems = check_brands(load_settings().brand_mapping)
    _lineups()  # what is wrong in them is an error with its place
    if as_json:
        screen.json([asdict(problem) for problem in problems])
    elif problems:
        screen.table(
            "brand mapping", ["line", "column", "", ""], [(p.line, p.column, p.kind, p.text) for p in problems]
        )
    else:
        screen.say("the mapping is sound: no word stands twice, for two brands, or in vain")
    if any(problem.kind == "ambiguous" and "alias" in problem.text for problem in problems):
        raise typer.Exit(12)


@app.command()
def explain(
    text: Annotated[str, typer.Argument(help="A title, an alt text, a file name.")],
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Which brand a text names, by which of its words, and why others do not count."""
    screen = Screen(quiet=quiet, as_json=as_json)
    mapping = _mapping()
    found, mentions = mapping.find(text), mapping.explain(text)
    if as_json:
        screen.json({"brands": [asdict(match) for match in found], "mentions": [asdict(m) for m in mentions]})
        return
    if mentions:
        screen.table(text, ["words", "brand", ""], [(m.words, m.brand, m.verdict) for m in mentions])
    screen.say(", ".join(match.brand for match in found) or "no brand is named")


def _mapping() -> BrandMapping:
    from carharvest.brands import load_brands
    from carharvest.settings import load_settings

    return load_brands(load_settings().brand_mapping)


def _lineups() -> Lineups:
    from carharvest.lineup import load_lineups
    from carharvest.settings import load_settings

    return load_lineups(load_settings().brand_mapping)


def _sorted(mapping: BrandMapping) -> list[Brand]:
    return sorted(mapping.brands.values(), key=lambda brand: brand.key)


def _tell_brand(screen: Screen, brand: Brand, lineup: list[str]) -> None:
    if screen.as_json:
        screen.json({**asdict(brand), "lineup": lineup})
        return
    rows: list[tuple[str, object]] = [
        (name, value) for name, value in asdict(brand).items() if name not in {"aliases", "context", "models"}
    ]
    rows.append(("aliases", ", ".join(brand.aliases)))
    if brand.models:
        rows.append(("models that tell it", ", ".join(brand.models)))
    if lineup:
        rows.append(("lineup", ", ".join(lineup)))
    if brand.context:
        rows.append(("counts with", ", ".join(brand.context)))
    screen.table(brand.name, ["", ""], [(name, "" if value is None else str(value)) for name, value in rows])
