"""The clean table as a file: Parquet, CSV or SQLite, whole or not at all."""

import csv
import os
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd

from carharvest.errors import BadListings, MissingExtra
from carharvest.listings.merge import Prepared
from carharvest.listings.tables import Reject

FORMS = (".parquet", ".csv", ".csv.gz", ".db", ".sqlite")
# A cell that begins like this is a formula to a spreadsheet. Texts come from outside, so they get an apostrophe.
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def form_of(target: Path) -> str:
    """Which of FORMS a file's name asks for. Raises BadListings where it is none."""
    form = next((form for form in FORMS if target.name.lower().endswith(form)), None)
    if form is None:
        raise BadListings(
            f"{target.name} is none of {', '.join(FORMS)}", hint="say it with the name: -o listings.parquet"
        )
    if form == ".parquet":
        try:
            import pyarrow  # noqa: F401 - only whether it is there: pandas says it less clearly
        except ImportError as error:
            raise MissingExtra(
                "Parquet needs pyarrow", hint="pip install 'carharvest[parquet]', or -o listings.csv"
            ) from error
    return form


def outputs_of(target: Path) -> list[Path]:
    """All files that come with `target`, itself first: source rows, rejects, profile."""
    beside = sources_file(target)
    return [target, *([beside] if beside else []), rejects_file(target), profile_file(target)]


def check_outputs(target: Path, inputs: Sequence[Path], *, overwrite: bool) -> None:
    """Raises BadListings where writing would replace a table that is read, or, without `overwrite`, any file."""
    read = {file.resolve() for file in inputs}
    for file in outputs_of(target):
        if file.resolve() in read:
            raise BadListings(
                f"{file} is read: it will not be replaced", hint="write to another folder, or another name"
            )
        if file.exists() and not overwrite:
            raise BadListings(f"{file} is there already", hint="--overwrite replaces it, or write to another folder")


def sources_file(target: Path) -> Path | None:
    """Where the source rows go: "listings.sources.csv" beside "listings.csv"; None where they are in the same file."""
    form = form_of(target)
    if form in {".db", ".sqlite"}:
        return None
    return target.with_name(target.name[: -len(form)] + ".sources" + form)


def rejects_file(target: Path) -> Path:
    """Where the rejects go."""
    return target.with_name("rejects.csv")


def profile_file(target: Path) -> Path:
    """Where the profile goes: "listings.html" beside "listings.csv"."""
    return target.with_name(target.name[: -len(form_of(target))] + ".html")


def write_listings(found: Prepared, target: Path) -> list[Path]:
    """Writes the listings, their source rows and the rejects; returns the files. A file appears whole or not at all.

    Raises BadListings where they cannot be written.
    """
    form, beside, rejects = form_of(target), sources_file(target), rejects_file(target)
    try:
        target.absolute().parent.mkdir(parents=True, exist_ok=True)
        _whole(rejects, lambda file: _write_rejects(found.rejects, file))
        if beside is None:
            _whole(target, lambda file: _to_database(found, file))
        else:
            write = _to_parquet if form == ".parquet" else _to_csv
            _whole(beside, lambda file: write(found.sources, file))
            _whole(target, lambda file: write(found.listings, file))
    except OSError as error:
        raise BadListings(
            f"{target} cannot be written: {error.strerror or error}", hint="is there room, and may you write there?"
        ) from error
    return [target, *([beside] if beside else []), rejects]


def read_listings(file: Path) -> pd.DataFrame:
    """The listings of a file that `write_listings` wrote. Raises BadListings where it is none."""
    form = form_of(file)
    try:
        if form == ".parquet":
            found = pd.read_parquet(file)
        elif form in {".db", ".sqlite"}:
            found = _from_database(file)
        else:
            found = pd.read_csv(file, dtype=str, keep_default_na=False)
    except FileNotFoundError as error:
        raise BadListings(
            f"{file} is not there", hint="carharvest listings prepare FILES -o LISTINGS makes it"
        ) from error
    except (OSError, ValueError) as error:
        raise BadListings(f"{file} cannot be read: {error}", hint="is it whole?") from error
    if "listing_id" not in found.columns:
        raise BadListings(
            f"{file} is no table of listings", hint="carharvest listings prepare FILES -o LISTINGS makes one"
        )
    return found


def _whole(target: Path, write: Callable[[Path], None]) -> None:
    beside = target.with_name(f".{os.getpid()}.{target.name}")
    try:
        write(beside)
        beside.replace(target)
    finally:
        beside.unlink(missing_ok=True)


def _to_parquet(table: pd.DataFrame, file: Path) -> None:
    table.to_parquet(file, index=False)


def _to_csv(table: pd.DataFrame, file: Path) -> None:
    safe = table.copy(deep=False)
    for name in safe.columns:
        if isinstance(safe[name].dtype, pd.CategoricalDtype):
            safe[name] = safe[name].cat.rename_categories(lambda text: _no_formula(str(text)))
        elif not pd.api.types.is_numeric_dtype(safe[name]) and not pd.api.types.is_datetime64_dtype(safe[name]):
            safe[name] = safe[name].map(_no_formula)
    safe.to_csv(file, index=False, compression="gzip" if file.name.endswith(".gz") else "infer")


def _to_database(found: Prepared, file: Path) -> None:
    from sqlalchemy import create_engine

    engine = create_engine(f"sqlite:///{file}")
    try:
        rejects = pd.DataFrame([(r.file, r.line, r.reason, r.text) for r in found.rejects], columns=_REJECT_COLUMNS)
        for name, table in (("listings", found.listings), ("sources", found.sources), ("rejects", rejects)):
            table.to_sql(name, engine, index=False, chunksize=10_000)
    finally:
        engine.dispose()


def _from_database(file: Path) -> pd.DataFrame:
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError

    if not file.exists():
        raise FileNotFoundError(file)
    engine = create_engine(f"sqlite:///{file}")
    try:
        return pd.read_sql_table("listings", engine)
    except SQLAlchemyError as error:
        raise ValueError(str(error).partition("\n")[0]) from error
    finally:
        engine.dispose()


_REJECT_COLUMNS = ["file", "line", "reason", "text"]


def _write_rejects(rejects: Sequence[Reject], file: Path) -> None:
    with file.open("w", encoding="utf-8", newline="") as opened:
        writer = csv.writer(opened)
        writer.writerow(_REJECT_COLUMNS)
        writer.writerows((_no_formula(r.file), r.line, r.reason, _no_formula(r.text)) for r in rejects)


def _no_formula(text: str) -> str:
    return f"'{text}" if text.startswith(_FORMULA) else text
