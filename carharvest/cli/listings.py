"""carharvest listings: tables of cars for sale into one clean table, and their pictures into the catalog."""

from __future__ import annotations

import time
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from carharvest.cli.options import AllowPrivate, Brands, Debug, DryRun, IgnoreRobotsTag, Json, Limit, Quiet, Workspace
from carharvest.cli.screen import Screen

if TYPE_CHECKING:
    from collections.abc import Sequence

    from carharvest.listings.link import ListingsSource
    from carharvest.listings.merge import Prepared, TableSummary
    from carharvest.listings.profile import Coverage

app = typer.Typer(help="Make one clean table of car listings from anywhere.", no_args_is_help=True)

Files = Annotated[
    list[Path],
    typer.Argument(
        help="Tables, or folders of them: .csv, .tsv, .txt, .xlsx, .xls, .ods; also .gz and .zip.", show_default=False
    ),
]
_SHOWN = ("brand", "model", "year", "price", "mileage_km", "fuel", "transmission")


@app.command()
def prepare(
    files: Files,
    output: Annotated[
        Path | None,
        typer.Option("--output", "-o", help="listings.parquet, .csv, .csv.gz or .db.", show_default=False),
    ] = None,
    overrides: Annotated[
        Path | None, typer.Option(help="YAML that says what columns hold where it was misunderstood.")
    ] = None,
    words: Annotated[Path | None, typer.Option(help="YAML with more words for columns and values.")] = None,
    explain: Annotated[bool, typer.Option("--explain", help="Show what each column was taken for, and why.")] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Leave out listings with something implausible.")] = False,
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what --output names.")] = False,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Unifies tables: columns, brands and models, fuels, units, prices; joins copies; keeps aside what is broken.

    Beside OUTPUT come its source rows, rejects.csv and a profile with plots. With --explain alone nothing is written.
    """
    from carharvest.engine import cores
    from carharvest.listings.merge import only_plausible
    from carharvest.listings.outputs import check_outputs, profile_file, write_listings
    from carharvest.listings.pieces import MOST_PROCESSES
    from carharvest.listings.prepare import explained, prepared, understanding
    from carharvest.listings.profile import coverage, write_profile
    from carharvest.listings.read import files_in
    from carharvest.settings import load_settings

    screen = Screen(quiet=quiet, as_json=as_json)
    if output is None and not explain:
        raise typer.BadParameter("say where it goes: -o listings.parquet (or .csv, .db)", param_hint="--output")
    files = files_in(files)
    if output is not None:
        check_outputs(output, files, overwrite=overwrite)
    by = understanding(load_settings().brand_mapping, words, overrides)
    processes = min(cores(), MOST_PROCESSES)
    if output is None:
        _show_columns(screen, explained(files, by))
        return
    started = time.perf_counter()
    with screen.progress("reading") as move:
        found = prepared(files, by, date.today(), lambda rows, name: move(rows, text=name), processes)
        if strict:
            found = only_plausible(found)
        move(len(found.sources), text="writing")
        shares = coverage(found)
        written = write_listings(found, output)
        write_profile(found, shares, profile_file(output))
    written.append(profile_file(output))
    seconds = time.perf_counter() - started
    if as_json:
        screen.json(_as_json(found, shares, written, seconds))
        return
    if explain:
        _show_columns(screen, found.tables)
    _show_summary(screen, found, shares)
    screen.say(
        f"{len(found.sources):,} rows read, {len(found.rejects):,} kept aside, "
        f"{len(found.listings):,} listings in {seconds:.1f} s: {', '.join(str(file) for file in written)}"
    )
    for table in found.tables:
        for what, why in table.sense.why.items():
            if why.startswith("assumed") or (what in {"price", "power", "distance"} and not why.startswith("said")):
                screen.warn(f"{table.name}: {what}: {why}; --overrides says it otherwise")
    if bool((found.listings["image_url"] != "").any()):
        screen.hint(f"next: carharvest listings link {output}")


@app.command()
def link(
    listings: Annotated[Path, typer.Argument(help="What `listings prepare` wrote.", show_default=False)],
    brand: Brands = None,
    limit: Limit = None,
    dry_run: DryRun = False,
    allow_private_hosts: AllowPrivate = False,
    ignore_robots_tag: IgnoreRobotsTag = False,
    workspace: Workspace = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """Brings the pictures of listings into the catalog; brand, model and year become their labels."""
    from carharvest.cli.harvesting import Harvest, run_harvest
    from carharvest.cli.scrape import one_query, settings_for
    from carharvest.listings.link import ListingsSource
    from carharvest.sources.plan import Ask

    screen = Screen(quiet=quiet, as_json=as_json)
    settings = settings_for(workspace, allow_private_hosts, ignore_robots_tag)
    source, query = ListingsSource(listings), one_query(settings, brand, None)
    if dry_run:
        _show_candidates(screen, source, query.brand, limit)
        return
    run_harvest(screen, settings, Harvest("listings link", [Ask(source, query, limit)]))


@app.command()
def words(
    field: Annotated[
        str | None, typer.Argument(help="One field, such as fuel or mileage_km.", show_default="all")
    ] = None,
    more: Annotated[Path | None, typer.Option("--words", help="YAML with more words.")] = None,
    as_json: Json = False,
    quiet: Quiet = False,
    debug: Debug = False,
) -> None:
    """The words by which columns and values are known, by language."""
    from carharvest.listings.vocabulary import load_vocabulary

    screen = Screen(quiet=quiet, as_json=as_json)
    vocabulary = load_vocabulary(more)
    columns = {name: known for name, known in vocabulary.columns.items() if field in {None, name}}
    kinds = {name: known for name, known in vocabulary.kinds.items() if field in {None, name}}
    if not columns and not kinds:
        raise typer.BadParameter(f"{field!r} is none of {', '.join(vocabulary.columns)}", param_hint="FIELD")
    named = [
        (name, language, [" ".join(form) for form, own in known.items() if own == language])
        for name, known in columns.items()
        for language in dict.fromkeys(known.values())
    ]
    valued = [
        (name, kind, [" ".join(form) for form, own in known.items() if own == kind])
        for name, known in kinds.items()
        for kind in vocabulary.order[name]
    ]
    if as_json:
        screen.json({"columns": named, "values": valued})
        return
    if named:
        screen.table("columns", ["field", "language", "known as"], [[a, b, ", ".join(c)] for a, b, c in named])
    if valued:
        screen.table("values", ["field", "kind", "known as"], [[a, b, ", ".join(c)] for a, b, c in valued])


def _show_columns(screen: Screen, tables: Sequence[TableSummary]) -> None:
    if screen.as_json:
        screen.json([_columns_as_json(table) for table in tables])
        return
    for table in tables:
        rows = [[c.name, field, c.why] for field, columns in table.columns.of.items() for c in columns]
        rows += [[name, "", why] for name, why in table.columns.left_out.items()]
        how = f" ({table.encoding}, {table.delimiter!r})" if table.encoding else ""
        screen.table(f"{table.name}{how}", ["column", "is", "because"], rows)
        for what, why in table.sense.why.items():
            screen.say(f"{what}: {why}")


def _show_summary(screen: Screen, found: Prepared, shares: Coverage) -> None:
    columns = ["table", "rows", "kept aside", "equal", "placed again", "flagged", "listings"]
    counts = [[t.rows + t.rejected, t.rejected, t.exact, t.near, t.flagged, t.listings] for t in found.tables]
    names = [table.name for table in found.tables]
    totals = [sum(column) for column in zip(*counts, strict=True)]
    screen.table("rows", columns, [[name, *row] for name, row in zip([*names, "all"], [*counts, totals], strict=True)])
    told = [*((name, shares.tables.get(name, {})) for name in names), ("all", shares.whole)]
    filled = [[name, *(f"{100 * of.get(field, 0.0):5.1f}" for field in _SHOWN)] for name, of in told]
    screen.table("filled, % of the rows", ["table", *_SHOWN], filled)


def _show_candidates(screen: Screen, source: ListingsSource, brand: str | None, limit: int | None) -> None:
    from carharvest.records import Query

    columns = ["url", "brand", "model", "year"]
    told = [(c.url, c.annotation) for c in source.candidates(Query("", brand), limit=limit) if c.annotation]
    rows = [[url, " ".join(said.class_names), said.model, said.year] for url, said in told]
    if screen.as_json:
        screen.json([dict(zip(columns, row, strict=True)) for row in rows])
        return
    shown = [[url, brand, model, str(year or "")] for url, brand, model, year in rows[:20]]
    screen.table(f"{len(rows):,} pictures would be fetched", columns, shown)


def _columns_as_json(table: TableSummary) -> dict[str, object]:
    return {
        "table": table.name,
        "encoding": table.encoding,
        "delimiter": table.delimiter,
        "columns": [asdict(column) for columns in table.columns.of.values() for column in columns],
        "left_out": dict(table.columns.left_out),
        "sense": asdict(table.sense),
    }


def _as_json(found: Prepared, shares: Coverage, written: Sequence[Path], seconds: float) -> dict[str, object]:
    return {
        "rows": len(found.sources),
        "rejected": len(found.rejects),
        "listings": len(found.listings),
        "seconds": round(seconds, 2),
        "files": [str(file) for file in written],
        "coverage": dict(shares.whole),
        "tables": [
            {
                **_columns_as_json(table),
                "rows": table.rows,
                "rejected": table.rejected,
                "exact": table.exact,
                "near": table.near,
                "flagged": table.flagged,
                "listings": table.listings,
                "coverage": dict(shares.tables.get(table.name, {})),
            }
            for table in found.tables
        ],
    }
