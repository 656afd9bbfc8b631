"""Cars pulled out of texts, and the models of brand_mapping.yaml that they are found by."""

import json
import math
from pathlib import Path

import pytest
from conftest import Run

from carharvest.brands import load_brands
from carharvest.errors import BrokenMapping
from carharvest.lineup import load_lineups
from carharvest.listings.cars import CarFinder, brand_of_file
from carharvest.listings.prepare import understanding
from carharvest.listings.titles import tidy
from carharvest.text import words

READER = understanding().reader


@pytest.mark.parametrize(
    ("title", "brand", "model", "trim"),
    [
        ("Maruti Swift Dzire VDI", "MARUTI SUZUKI", "Dzire", "VDI"),
        ("BMW_740i_4_4_Liter_HAMANN_UMBAU_Mega_Optik", "BMW", "7 Series", "740i HAMANN UMBAU Mega Optik"),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "SKODA", "Octavia", "Combi TDI DSG"),
        ("Mercedes-Benz New C-Class 220 CDI AT", "MERCEDES-BENZ", "C-Class", "220 CDI AT"),
        ("Mercedes_Benz_190_E_2.0", "MERCEDES-BENZ", "190", "E"),
        ("Hyundai i20 2015-2017 Sportz Option 1.4 CRDi", "HYUNDAI", "i20", "Sportz Option CRDi"),
        ("Saab_9_3_2.0i_Turbo", "SAAB", "9-3", "i Turbo"),
        ("Peugeot_206_CC_110", "PEUGEOT", "206", "110"),
        ("Peugeot 2008 1.6 e-HDi", "PEUGEOT", "2008", "e-HDi"),
        ("VW Passart Variant Klima", "VOLKSWAGEN", "Passat", "Variant"),
        ("Mazda 2 Jahre TÜV", "MAZDA", "Mazda2", ""),
        (
            "Mazda, 2 Jahre TÜV, 5 Türen",
            "MAZDA",
            "Mazda2",
            "",
        ),  # wrong, and known to be: nothing tells it from the above
        ("Mazda__klima_leder__Alufelgen", "MAZDA", "", ""),
        ("Toyota Obscurio 1.8", "TOYOTA", "Obscurio", ""),
        ("Fiat Avventura MULTIJET", "FIAT", "Avventura", "MULTIJET"),
        ("Gut erhaltene Alufelgen", "", "", ""),
        ("", "", "", ""),
    ],
)
def test_brand_model_and_trim_of_a_title(title: str, brand: str, model: str, trim: str) -> None:
    car = READER.read(title)
    assert (car.brand, car.model, car.trim) == (brand, model, trim)


@pytest.mark.parametrize(
    ("title", "field", "value"),
    [
        ("BMW_740i_4_4_Liter_HAMANN", "engine_cc", 4400),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "engine_cc", 2000),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "power_kw", 110),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "fuel", "diesel"),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "transmission", "dual-clutch"),
        ("Škoda Octavia Combi 2.0 TDI 110 kW DSG", "body", "estate"),
        ("Maruti Wagon R LXI", "body", ""),
        ("Golf 1598 ccm", "engine_cc", 1598),
        ("Golf 1,6 Benziner", "engine_cc", 1600),
        ("Golf VB 1.500 Euro", "engine_cc", math.nan),
        ("Golf TÜV 8.17", "engine_cc", math.nan),
        ("Golf 75 PS", "power_kw", pytest.approx(55.2, abs=0.05)),
        ("Golf 55 kW (75 PS)", "power_kw", 55),
        ("Polo 6N 1995", "year", 1995),
        ("Golf Bj. 99 TÜV 2017", "year", 1999),
        ("Celica T23 Bj.2000 60000km", "year", 2000),
        ("Golf TÜV 11/2017", "year", math.nan),
        ("Honda City 2017-2020 EXi", "year", math.nan),
        ("Peugeot 2008", "year", math.nan),
        ("Golf 2000 km 1998", "year", 1998),
        ("Golf 1.4 TSI Autogas", "fuel", "lpg"),
        ("Golf GTE", "fuel", "plug-in hybrid"),
        ("smart fortwo softouch", "transmission", "semi-automatic"),
    ],
)
def test_what_else_a_title_says(title: str, field: str, value: object) -> None:
    found = getattr(READER.read(title), field)
    assert (math.isnan(found) and math.isnan(value)) if value != value else found == value


@pytest.mark.parametrize(
    ("brand", "text", "model"),
    [
        ("BMW", "3er", "3 Series"), ("BMW", "SERIE 3", "3 Series"), ("BMW", "Seria 3 320d", "3 Series"),
        ("BMW", "118", "1 Series"),
        ("BMW", "5", "5 Series"), ("BMW", "X5 xDrive30d", "X5"), ("MERCEDES-BENZ", "c_klasse", "C-Class"),
        ("MERCEDES-BENZ", "CLASSE C", "C-Class"), ("MERCEDES-BENZ", "Klasa C 220 d", "C-Class"),
        ("MERCEDES-BENZ", "C220", "C-Class"),
        ("MERCEDES-BENZ", "GLE 350", "GLE"), ("LEXUS", "IS 250 Classic", "IS"), ("HONDA", "CRV", "CR-V"),
        ("KIA", "Pro_cee'd", "Ceed"),
        ("VOLKSWAGEN", "UP!", "Up!"), ("TOYOTA", "Corolla Altis", "Corolla Altis"), ("TOYOTA", "Corolla", "Corolla"),
        ("DATSUN", "GO D", "GO"), ("DATSUN", "GO Plus D", "GO Plus"), ("NISSAN", "nothing of theirs", ""),
        ("NO BRAND", "3er", ""),
    ],
)  # fmt: skip
def test_a_model_is_one_however_it_is_written(brand: str, text: str, model: str) -> None:
    found = READER.lineups.find(brand, words(text))
    assert (found.name if found else "") == model


def test_every_model_is_found_by_its_own_name() -> None:
    lineups, brands = load_lineups(), load_brands().brands
    assert lineups.count() > 1500
    for brand, names in lineups._names.items():
        assert brand in brands
        for model in set(names.values()):
            found = lineups.find(brand, words(model))
            assert found is not None
            assert found.name == model


@pytest.mark.parametrize(
    ("lineups", "said"),
    [
        ("NOBODY: {A: []}", "there is no such brand"),
        ("ONE: {A: [x], B: [x]}", "'x' of ONE is A already"),
        ("ONE: {A 1: [], A1: []}", "'a 1' of ONE is A 1 already"),
        ("ONE: [A]", "the lineup of ONE has to be a mapping"),
        ("ONE: {A: x}", "A of ONE has to be a list"),
    ],
)
def test_a_wrong_lineup_is_refused_with_its_place(tmp_path: Path, lineups: str, said: str) -> None:
    file = tmp_path / "brands.yaml"
    file.write_text(f"brands:\n  ONE: {{name: One, country: X, group: X, tier: luxury}}\nlineups:\n  {lineups}\n")
    with pytest.raises(BrokenMapping, match=rf"brands\.yaml:4:\d+: .*{said}"):
        load_lineups(file)


def test_brands_shows_the_lineup_and_checks_it(carharvest: Run, tmp_path: Path) -> None:
    assert "Octavia" in json.loads(carharvest("brands", "skoda", "--json").stdout)["lineup"]
    file = tmp_path / "brands.yaml"
    file.write_text("brands:\n  ONE: {name: One, country: X, group: X, tier: luxury}\nlineups:\n  TWO: {}\n")
    done = carharvest("brands", "check", CARHARVEST_BRAND_MAPPING=str(file))
    assert (done.returncode, "brands.yaml:4:8: the lineup of TWO" in done.stderr) == (12, True)


def test_a_mapping_without_lineups_has_no_models(tmp_path: Path) -> None:
    (tmp_path / "brands.yaml").write_text("brands: {ONE: {name: One, country: X, group: X, tier: luxury}}\n")
    assert load_lineups(tmp_path / "brands.yaml").count() == 0


@pytest.mark.parametrize(
    ("cell", "brand"),
    [
        ("mercedes_benz", "MERCEDES-BENZ"), ("B.M.W.", "BMW"), ("LAMBORGHIN", "LAMBORGHINI"),
        ("ROLLS ROYC", "ROLLS-ROYCE"),
        ("Škoda", "SKODA"), ("vw", "VOLKSWAGEN"), ("volksvagen", "VOLKSWAGEN"), ("sonstige_autos", ""), ("n/a", ""),
        ("", ""),
        ("Golf", ""), ("Mercury", "MERCURY"), ("bread", ""),
    ],
)  # fmt: skip
def test_brands_of_a_column(cell: str, brand: str) -> None:
    assert CarFinder(READER).brand_of(cell) == brand


@pytest.mark.parametrize(
    ("name", "brand"),
    [
        ("audi.csv", "AUDI"), ("unclean cclass.csv", "MERCEDES-BENZ"), ("hyundi.csv.gz", "HYUNDAI"),
        ("used_vw_2020.xlsx#Sheet1", "VOLKSWAGEN"),
        ("archive.zip/merc.csv", "MERCEDES-BENZ"), ("cars.csv", ""), ("audi and bmw.csv", ""),
    ],
)  # fmt: skip
def test_a_file_s_name_tells_the_brand(name: str, brand: str) -> None:
    assert brand_of_file(name, CarFinder(READER)) == brand


def test_a_model_of_two_brands_is_of_the_one_that_the_table_names() -> None:
    finder = CarFinder(READER)
    assert finder.car("", (), "swift").brand == ""
    finder.forget()
    finder.favoured["MARUTI SUZUKI"] = 3
    car = finder.car("", (), "swift")
    assert (car.brand, car.model) == ("MARUTI SUZUKI", "Swift")


def test_columns_outrank_titles_and_titles_what_is_vague() -> None:
    finder = CarFinder(READER)
    assert finder.car("bmw", ("3er",), "VW Golf 1.6").brand == "BMW"
    assert finder.car("peugeot", ("2_reihe",), "Peugeot_206_CC").model == "206"
    assert finder.car("peugeot", ("2_reihe",), "top Zustand").model == "2 Reihe"
    assert finder.car("toyota", ("andere",), "Toyota_Paseo").model == "Paseo"
    assert finder.car("sonstige_autos", ("",), "Wartburg_353").brand == "WARTBURG"
    assert finder.car("MINI", ("CLUBMAN", "MINI"), "MINI One Clubman").model == "Clubman"
    unknown = finder.car("Tramontana", ("R",), "")
    assert (unknown.brand, unknown.model) == ("TRAMONTANA", "R")  # rare brands are kept as they are written


def test_names_that_nobody_knows_are_written_in_one_way() -> None:
    assert [tidy(name) for name in ("golf", "CLIO", "a4", "e-Golf", "grand_scenic", "x1 sport")] == [
        "Golf", "Clio", "A4", "e-Golf", "Grand Scenic", "X1 Sport",
    ]  # fmt: skip
