"""What columns hold: by their names, their values, a person; numbers, units and words of many countries."""

import math
import random
from datetime import date
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from carharvest.errors import BadListings, BrokenMapping, UnknownBrand
from carharvest.listings import units
from carharvest.listings.columns import Columns, understood
from carharvest.listings.dates import days
from carharvest.listings.numbers import decimal_sign, number
from carharvest.listings.overrides import Override, load_overrides, override_for
from carharvest.listings.prepare import explained, prepared, understanding
from carharvest.listings.vocabulary import load_vocabulary

TODAY = date(2024, 6, 1)
BY = understanding()

# One car as tables of eight countries have it: what stands in the row is the same car.
TABLES = {
    "en": "make,model,year,price,mileage (km),fuel type,transmission,engine size,power (kW),doors,colour\n"
    "Opel,Astra,2015,£9500,81000,Petrol,Manual,1.4,74,5,Blue\n",
    "de": "Marke;Modell;Erstzulassung;Preis;Kilometerstand;Kraftstoff;Getriebe;Hubraum;Leistung;Türen;Farbe\n"
    "Opel;Astra;03/2015;9.500 €;81.000 km;Benzin;Schaltgetriebe;1.398 ccm;74 kW (101 PS);4/5;blau\n",
    "fr": "Marque;Modèle;Année;Prix;Kilométrage;Énergie;Boîte de vitesses;Cylindrée;Puissance;Portes;Couleur\n"
    "Opel;Astra;2015;9 500 €;81 000 km;Essence;Mécanique;1398;101 ch;5;bleu\n",
    "es": "Marca;Modelo;Año;Precio;Kilómetros;Combustible;Cambio;Cilindrada;Potencia;Puertas;Color exterior\n"
    "Opel;Astra;2015;9.500 €;81.000 km;Gasolina;Manual;1398 cc;101 CV;5;azul\n",
    "it": "Marca;Modello;Anno;Prezzo;Chilometraggio;Alimentazione;Cambio;Cilindrata;Potenza;Numero porte;Colore\n"
    "Opel;Astra;2015;€ 9.500;81.000 km;Benzina;Manuale;1.398 cm³;74 kW;5;blu\n",
    "pl": "Marka;Model;Rok produkcji;Cena;Przebieg;Paliwo;Skrzynia biegów;Pojemność skokowa;Moc;Liczba drzwi;Kolor\n"
    "Opel;Astra;2015;9 500 zł;81 000 km;Benzyna;Manualna;1 398 cm3;101 KM;5;niebieski\n",
    "ru": "Марка;Модель;Год выпуска;Цена;Пробег;Топливо;Коробка передач;Объем двигателя;Мощность;Количество дверей;"
    "Цвет\n"
    "Опель;Astra;2015;9 500 руб.;81 000 км;Бензин;Механика;1,4 л;101 л.с.;5;синий\n",
    "hi": "company ka naam,namuna,varsh,keemat,chali hui doori,indhan,gear prakar,engine ka aakar,shakti,darwaze,rang\n"
    "Opel,Astra,2015,₹ 9500,81000 km,petrol,manual,1398 cc,99.6 bhp,5,neela\n",
}
CURRENCY = {"en": "GBP", "pl": "PLN", "ru": "RUB", "hi": "INR"}


def columns_of(header: list[str], rows: list[list[str]], **said: object) -> Columns:
    return understood(
        header, rows, BY.vocabulary, lambda c: BY.reader.brands.exactly(c) is not None, Override(**said), "t"
    )


def written(folder: Path, text: str) -> Path:
    (folder / "other.yaml").write_text(text)
    return folder / "other.yaml"


def fields(columns: Columns) -> dict[str, list[str]]:
    return {name: [column.name for column in found] for name, found in columns.of.items()}


@pytest.mark.parametrize("language", list(TABLES))
def test_one_car_is_the_same_in_tables_of_eight_languages(tmp_path: Path, language: str) -> None:
    file = tmp_path / "cars.csv"
    file.write_text(TABLES[language], encoding="utf-8")
    (row,) = prepared([file], BY, TODAY).listings.to_dict("records")
    assert (row["brand"], row["model"], row["year"], row["price"]) == ("OPEL", "Astra", 2015, 9500)
    assert row["currency"] == CURRENCY.get(language, "EUR")
    assert (row["mileage_km"], row["fuel"], row["transmission"]) == (81000, "petrol", "manual")
    assert row["engine_cc"] in {1398, 1400}
    assert row["power_kw"] == pytest.approx(74.2, abs=0.3)
    assert (row["doors"], row["colour"], row["flags"]) == (5, "blue", "")


@pytest.mark.parametrize("language", list(TABLES))
def test_the_order_of_columns_does_not_matter(language: str) -> None:
    sign = ";" if ";" in TABLES[language] else ","
    header, row = (line.split(sign) for line in TABLES[language].splitlines())
    expected = fields(columns_of(header, [row]))
    order = list(range(len(header)))
    random.Random(language).shuffle(order)
    assert fields(columns_of([header[i] for i in order], [[row[i] for i in order]])) == expected


def test_every_word_of_the_table_of_words_is_understood() -> None:
    vocabulary = load_vocabulary()
    for field, known in vocabulary.columns.items():
        for form in known:
            named = vocabulary.column(" ".join(form), frozenset())
            assert named is not None
            assert named.sure == 1.0, (field, form)
    for field, kinds in vocabulary.kinds.items():
        for form, kind in kinds.items():
            assert vocabulary.kind(field, " ".join(form)) == kind, (field, form)
    assert {"en", "de", "fr", "es", "it", "pl", "ru", "hi"} <= {
        language for known in vocabulary.columns.values() for language in known.values()
    }


def test_columns_without_a_telling_name_are_known_by_their_values() -> None:
    header = ["a", "b", "c", "d", "e", "f", "g"]
    rows = [
        ["BMW", "diesel", "manuell", "1.598 ccm", "£1,200", "https://x.example/1.jpg", "red"],
        ["VW", "benzin", "automatik", "1.998 ccm", "£900", "https://x.example/2.png", "blue"],
    ]
    found = fields(columns_of(header, rows))
    assert found == {
        "brand": ["a"], "fuel": ["b"], "transmission": ["c"], "engine_cc": ["d"], "price": ["e"],
        "image_url": ["f"], "colour": ["g"],
    }  # fmt: skip


def test_a_table_without_a_header_loses_no_row(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text("BMW,320,2015,£9500\nVW,Golf,2012,£5000\nKia,Rio,1999,£900\n")
    (tmp_path / "say.yaml").write_text("'*': {columns: {model: column 2}}")
    found = prepared([tmp_path / "cars.csv"], understanding(overrides=tmp_path / "say.yaml"), TODAY).sources
    assert found["line"].tolist() == [1, 2, 3]
    assert found[["brand", "model", "year", "price"]].values.tolist() == [
        ["BMW", "3 Series", 2015, 9500],
        ["VOLKSWAGEN", "Golf", 2012, 5000],
        ["KIA", "Rio", 1999, 900],
    ]


def test_a_name_that_its_values_contradict_is_not_believed() -> None:
    columns = columns_of(["brand", "mileage", "link"], [["BMW", "23.4 kmpl", "https://x.example/a/image;s=320"]] * 3)
    assert fields(columns) == {"brand": ["brand"], "consumption_l_100km": ["mileage"], "image_url": ["link"]}


def test_a_row_takes_the_first_column_that_has_something_that_fits(tmp_path: Path) -> None:
    """A table in which some rows have slipped to the right, as scrapers leave them."""
    file = tmp_path / "slipped.csv"
    slipped = "".join(f"Astra,201{n},{n},n/a,£145,{1000 + n},Diesel,1.6\n" for n in range(8))
    file.write_text(
        "model,year,mileage,fuel type,engine size,mileage2,fuel type2,engine size2\n"
        + slipped
        + 'Corsa,2019,,Petrol,1.2,"1,200",,\n'
    )
    table = prepared([file], BY, TODAY).listings.sort_values("line")
    assert table["fuel"].tolist() == ["diesel"] * 8 + ["petrol"]
    assert table["engine_cc"].tolist() == [1600] * 8 + [1200]
    assert table["mileage_km"].tolist()[-1] == 1200


def test_an_override_outranks_what_was_understood(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text("make;note;kind\nBMW;12,5;Diesel\n")
    (tmp_path / "say.yaml").write_text(
        "'*': {currency: chf}\ncars.csv:\n  columns: {price: note, ignored: [kind]}\n  brand: Opel\n  decimal: ','\n"
    )
    by = understanding(overrides=tmp_path / "say.yaml")
    (row,) = prepared([tmp_path / "cars.csv"], by, TODAY).listings.to_dict("records")
    assert (row["brand"], row["price"], row["currency"], row["fuel"]) == ("OPEL", 12.5, "CHF", "")
    (table,) = explained([tmp_path / "cars.csv"], by)
    assert table.columns.of["price"][0].why == "said by the overrides"
    (tmp_path / "cars.csv").write_text("make,price\nBMW,$500\n")  # a dollar sign that is known to be wrong
    (row,) = prepared(
        [tmp_path / "cars.csv"], understanding(overrides=written(tmp_path, "'*': {currency: EUR}")), TODAY
    ).listings.to_dict("records")
    assert row["currency"] == "EUR"
    assert override_for("other.csv", by.overrides).said == {"currency": "chf"}


@pytest.mark.parametrize(
    ("written", "said"),
    [
        ("cars.csv: {columns: {prize: note}}", "'prize' is none of"),
        ("cars.csv: {distance: leagues}", "km, mi"),
        ("cars.csv: {currency: shells}", "currency is one of aed, aud"),
        ("cars.csv: {colour: red}", "'colour' is none of"),
        ("cars.csv: [price]", "has to be a mapping"),
    ],
)
def test_a_wrong_override_is_refused_with_its_place(tmp_path: Path, written: str, said: str) -> None:
    (tmp_path / "say.yaml").write_text(written)
    with pytest.raises(BrokenMapping, match=rf"say\.yaml:1:\d+: .*{said}"):
        load_overrides(tmp_path / "say.yaml")


def test_an_override_with_a_brand_that_is_none_says_what_is_near(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text("model,price\nGolf,1\n")
    with pytest.raises(UnknownBrand, match="Volkswagon") as raised:
        prepared(
            [tmp_path / "cars.csv"], understanding(overrides=written(tmp_path, "'*': {brand: Volkswagonn}")), TODAY
        )
    assert "VOLKSWAGEN" in raised.value.hint


def test_an_override_of_a_column_that_is_not_there_names_those_that_are(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text("make,cost\nBMW,1\n")
    (tmp_path / "say.yaml").write_text("'*': {columns: {price: preis}}")
    with pytest.raises(BadListings, match="no column 'preis'") as raised:
        prepared([tmp_path / "cars.csv"], understanding(overrides=tmp_path / "say.yaml"), TODAY)
    assert "make, cost" in raised.value.hint


def test_more_words_can_be_added(tmp_path: Path) -> None:
    (tmp_path / "words.yaml").write_text("columns: {price: {nl: [vraagprijs]}}\nfuel: {petrol: {nl: [loodvrij]}}\n")
    (tmp_path / "cars.csv").write_text("merk?,make,vraagprijs,fuel\n1,BMW,900,loodvrij\n")
    (row,) = prepared([tmp_path / "cars.csv"], understanding(words=tmp_path / "words.yaml"), TODAY).listings.to_dict(
        "records"
    )
    assert (row["price"], row["fuel"]) == (900, "petrol")


def test_a_table_that_is_not_of_cars_is_refused(tmp_path: Path) -> None:
    (tmp_path / "cars.csv").write_text("x,y\n1,2\n3,4\n")
    with pytest.raises(BadListings, match=r"cars\.csv: no column of it is understood \(x, y\)"):
        prepared([tmp_path / "cars.csv"], BY, TODAY)


@pytest.mark.parametrize(
    ("cells", "usual", "sign"),
    [
        (["1,5", "2"], None, ","),
        (["0,125"], None, ","),
        (["1.234,50"], ".", ","),
        (["1,234.50"], ",", "."),
        (["$5,000", "$500", "$12,000"], ",", "."),
        (["96,000", "110,000"], ",", ","),
        (["5.000", "12.500", "900"], ".", ","),
        (["1,234,567"], None, "."),
        (["12 500,5"], None, ","),
        (["150,000"], None, None),
        (["2.143", "1991", "2.1"], None, "."),
    ],
)
def test_the_decimal_sign_of_a_column(cells: list[str], usual: str | None, sign: str | None) -> None:
    assert decimal_sign(cells, usual) == sign


@given(
    st.floats(0, 9_999_999).map(lambda x: round(x, 2)),
    st.sampled_from([".", ","]),
    st.sampled_from(["", " ", "\u00a0", "'", "other"]),
)
def test_a_number_comes_back_however_it_was_written(value: float, decimal: str, between: str) -> None:
    thousands = ("," if decimal == "." else ".") if between == "other" else between
    written = f"{value:,.2f}".replace(",", "\0").replace(".", decimal).replace("\0", thousands)
    assert number(f"€ {written} VB", decimal) == pytest.approx(value)


@pytest.mark.parametrize(
    ("cell", "expected"),
    [
        ("£30,495", (30495, "GBP")), ("12 500 zł", (12500, "PLN")), ("$5,000", (5000, "USD")),
        ("Rs. 4.5 Lakh", (450_000, "INR")),
        ("1.2 crore", (12_000_000, "")), ("9,500 € VB", (9500, "EUR")), ("CHF 900", (900, "CHF")),
        ("15 kW", (math.nan, "")),
        ("on request", (math.nan, "")), ("0", (0, "")), ("Kč 200 000", (200_000, "CZK")),
    ],
)  # fmt: skip
def test_prices(cell: str, expected: tuple[float, str]) -> None:
    assert (
        units.price(cell, ".") == pytest.approx(expected, nan_ok=True)
        if expected[1] == ""
        else units.price(cell, ".") == expected
    )


def test_units_are_converted() -> None:
    nan = pytest.approx(math.nan, nan_ok=True)
    assert units.mileage_km("10,000 miles", ".", "km") == pytest.approx(16093.44)
    assert units.mileage_km("10,000", ".", "mi") == pytest.approx(16093.44)
    assert units.mileage_km("150,000km", ".", "mi") == 150_000
    assert units.mileage_km("23.4 kmpl", ".", "km") == nan
    assert units.power_kw("178 KM", ",", 1.0) == pytest.approx(130.9, abs=0.05)
    assert units.power_kw("103.52 bhp", ".", 1.0) == pytest.approx(77.2, abs=0.05)
    assert units.power_kw("110 kW (150 PS)", ".", 1.0) == 110
    assert units.power_kw("0", ".", 1.0) == nan
    assert units.torque_nm("190Nm@ 2000rpm", ".") == 190
    assert units.torque_nm("22.4 kgm at 1750-2750rpm", ".") == pytest.approx(219.7, abs=0.05)
    assert units.torque_nm("12.7@ 2,700(kgm@ rpm)", ".") == pytest.approx(124.5, abs=0.05)
    assert units.consumption_l_100km("23.4 kmpl", ".", "l", "us") == pytest.approx(4.27, abs=0.01)
    assert units.consumption_l_100km("55.4", ".", "mpg", "imperial") == pytest.approx(5.10, abs=0.01)
    assert units.consumption_l_100km("55.4 mpg", ".", "l", "us") == pytest.approx(4.25, abs=0.01)
    assert units.consumption_l_100km("17.3 km/kg", ".", "l", "us") == nan
    assert units.consumption_kwh_100km("164 Wh/km", ".") == units.consumption_kwh_100km("16.4 kWh/100km", ".") == 16.4


@pytest.mark.parametrize(
    ("cell", "cc"),
    [
        ("1248 CC", 1248), ("3 960 cm3", 3960), ("1 968 cm³", 1968), ("2.0 TDI", 2000), ("1.4", 1400),
        ("0.999", 999), ("999 cm3", 999),
        ("2.143", 2143), ("2143", 2143), ("1.6 16V", 1600), ("4.2 D (815L)", 4200), ("2", 2000), ("0", None),
        ("£145", None),
        ("530d", None), ("diesel", None),
    ],
)  # fmt: skip
def test_engines(cell: str, cc: int | None) -> None:
    assert units.engine_cc(cell, ".") == (pytest.approx(math.nan, nan_ok=True) if cc is None else cc)


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("benzin", "petrol"), ("Бензин", "petrol"), ("ESSENCE", "petrol"), ("Gasoline", "petrol"),
        ("Diesel", "diesel"), ("GAZOLE", "diesel"),
        ("GAZ+ELEC HNR", "hybrid"), ("ELEC+ESSENC HR", "plug-in hybrid"), ("Hybryda Plug-in", "plug-in hybrid"),
        ("Petrol/Electric", "hybrid"),
        ("Benzyna+LPG", "lpg"), ("ESS+G.P.L.", "lpg"), ("GAZ NAT.VEH", "cng"), ("SUPERETHANOL", "ethanol"),
        ("Elektryczny", "electric"),
        ("Wasserstoff", "hydrogen"), ("andere", "other"), ("31", ""),
    ],
)  # fmt: skip
def test_fuels(cell: str, kind: str) -> None:
    assert BY.vocabulary.kind("fuel", cell) == kind


@pytest.mark.parametrize(
    ("cell", "kind"),
    [
        ("manuell", "manual"), ("Schaltgetriebe", "manual"), ("MECANIQUE", "manual"), ("МКПП", "manual"),
        ("automatik", "automatic"),
        ("VARIATION ELECTRIQUE", "automatic"), ("VARIATION CONTINUE", "cvt"), ("вариатор", "cvt"),
        ("Semi-Auto", "semi-automatic"),
        ("Halbautomatik", "semi-automatic"), ("робот", "semi-automatic"), ("DSG", "dual-clutch"),
        ("7-speed S tronic", "dual-clutch"),
    ],
)  # fmt: skip
def test_gearboxes(cell: str, kind: str) -> None:
    assert BY.vocabulary.kind("transmission", cell) == kind


def test_days_are_read_in_the_order_that_the_column_shows() -> None:
    assert days(["2016-03-26 17:47:46", "26.03.2016", "", "99.99.2016"]).astype(str).tolist() == [
        "2016-03-26",
        "2016-03-26",
        "NaT",
        "NaT",
    ]
    assert days(["03/04/2016", "03/26/2016"]).astype(str).tolist() == ["2016-03-04", "2016-03-26"]
    assert days(["03/04/2016", "26/03/2016"]).astype(str).tolist() == ["2016-04-03", "2016-03-26"]
    assert np.isnat(days(["no day"])).all()
