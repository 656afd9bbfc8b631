"""The real tables in one run, held against what a person read in 200 of their rows and against their own cells."""

import csv
from collections.abc import Callable
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from carharvest.listings.merge import Prepared
from carharvest.listings.prepare import prepared, understanding
from carharvest.listings.profile import is_told
from carharvest.listings.read import tables_of

CHECKED = Path(__file__).parent / "data" / "listings_checked.csv"
# Which cells of a real table have a field in any form: by the names of its own columns.
THEIRS = {
    "price": ["price", "selling_price", "Selling_Price", "Prix véhicule", "price_czk"],
    "year": ["year", "Year", "yearOfRegistration", "ROK PRODUKCJI"],
    "fuel": ["fuel", "Fuel_Type", "fuelType", "PALIWO", "Energie", "fuel type2"],
    "transmission": ["transmission", "Transmission", "gearbox", "SKRZYNIA BIEGÓW", "Type de boite"],
}


@pytest.fixture(scope="module")
def real(shared: Path) -> Prepared:
    files = sorted((shared / "listings").iterdir())
    assert len(files) == 10
    return prepared(files, understanding(), date(2024, 6, 1))


def share(table: pd.DataFrame, field: str) -> float:
    return float(is_told(table[field]).mean())


def test_every_line_of_the_real_tables_is_a_source_row_or_a_reject(real: Prepared, shared: Path) -> None:
    lines = {}
    for file in sorted((shared / "listings").glob("*.csv")):
        lines[file.name] = len(file.read_bytes().splitlines()) - 1  # none of them has a cell of two lines
    read = {table.name: table.rows + table.rejected for table in real.tables if table.name.endswith(".csv")}
    assert read == lines
    reasons = {(reject.file, reject.reason) for reject in real.rejects}
    assert reasons == {("autos.csv", "cut off"), ("unclean cclass.csv", "empty")}
    assert len(real.rejects) == 100


def test_brand_and_model_are_found(real: Prepared) -> None:
    brands = set(understanding().reader.brands.brands)
    assert float(real.sources["brand"].isin(list(brands)).mean()) >= 0.97
    assert share(real.sources, "model") >= 0.9
    for name, rows in real.sources.groupby("file", observed=True):
        assert share(rows, "model") >= 0.97, name


@pytest.mark.parametrize("field", list(THEIRS))
def test_what_a_row_has_in_any_form_is_read(real: Prepared, shared: Path, field: str) -> None:
    read = real.sources.set_index(["file", "line"])[field]
    told = found = 0
    for file in sorted((shared / "listings").iterdir()):
        for table in tables_of(file):
            places = [i for i, name in enumerate(table.header) if name.strip() in THEIRS[field]]
            for piece in table.pieces:
                for line, cells in zip(piece.lines, piece.cells, strict=True):
                    if any(cells[place].strip() not in {"", "n/a"} for place in places):
                        told += 1
                        value = read[table.name, line]
                        found += not (pd.isna(value) or value == "")
    assert told > 40_000
    assert found / told >= 0.98


COMPARED: dict[str, Callable[[object], str]] = {
    **dict.fromkeys(("brand", "model", "currency", "fuel", "transmission"), str),
    **dict.fromkeys(("year", "price", "mileage_km"), lambda value: "" if pd.isna(value) else f"{value:.0f}"),
}


@pytest.mark.parametrize("field", list(COMPARED))
def test_rows_that_a_person_read_are_read_the_same(real: Prepared, field: str) -> None:
    read = real.sources.set_index(["file", "line"])[field]
    with CHECKED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 200
    wrong = [
        (row["file"], row["line"], row[field], told)
        for row in rows
        if (told := COMPARED[field](read[row["file"], int(row["line"])])) != row[field]
    ]
    assert wrong == []


def test_placeholders_are_flagged_and_small_engines_are_not(real: Prepared) -> None:
    german = real.sources[real.sources["file"] == "autos.csv"]
    flagged = german["flags"].astype(str)
    years = german["year"].to_numpy(dtype=float)
    assert (flagged[(years < 1886) | (years > 2018)].str.contains("year")).all()
    assert (flagged[german["price"] == 0].str.contains("price")).all()
    small = real.sources[(real.sources["engine_cc"] > 600) & (real.sources["engine_cc"] < 1000)]
    assert len(small) > 100
    assert not small["flags"].astype(str).str.contains("engine").any()
    assert np.isclose(real.listings["copies"].sum(), len(real.sources))
