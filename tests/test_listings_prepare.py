"""Tables joined into one: copies, flags, what is written, and pictures brought into the catalog."""

import csv
import json
import random
from datetime import date
from pathlib import Path

import pandas as pd
import pytest
from conftest import Loopback, Run, jpeg
from hypothesis import given, settings
from hypothesis import strategies as st

from carharvest.catalog.intake import known_urls
from carharvest.catalog.store import open_catalog
from carharvest.catalog.story import find_photo_ids, photo_story
from carharvest.errors import BadListings
from carharvest.listings.link import ListingsSource, addresses
from carharvest.listings.merge import Prepared, only_plausible
from carharvest.listings.outputs import check_outputs, read_listings, write_listings
from carharvest.listings.prepare import prepared, understanding
from carharvest.listings.profile import coverage, write_profile
from carharvest.listings.read import files_in
from carharvest.records import Query

TODAY = date(2024, 6, 1)
BY = understanding()
HEADER = ["brand", "model", "title", "year", "price", "mileage", "fuel", "city", "date created", "image", "url"]
AD = ["VW", "Golf", "Golf 1.4 TSI Highline, one owner", "2015", "9500", "81234", "petrol", "Ulm", "2024-05-01", "", ""]


def ad(**changes: str) -> list[str]:
    return [changes.get(name.replace(" ", "_"), value) for name, value in zip(HEADER, AD, strict=True)]


def table(folder: Path, *rows: list[str], name: str = "cars.csv") -> Path:
    with (folder / name).open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER, *rows])
    return folder / name


def joined(folder: Path, *rows: list[str]) -> Prepared:
    return prepared([table(folder, *rows)], BY, TODAY)


def relations(found: Prepared) -> list[tuple[int, str]]:
    return list(zip(found.sources["listing_id"], found.sources["relation"], strict=True))


def test_equal_rows_are_one_listing_and_every_source_row_is_kept(tmp_path: Path) -> None:
    found = joined(tmp_path, ad(), ad(year="2016"), ad(), ad())
    assert relations(found) == [(1, "first"), (2, "first"), (1, "exact"), (1, "exact")]
    assert found.listings["copies"].tolist() == [3, 1]
    assert found.sources["line"].tolist() == [2, 3, 4, 5]


@pytest.mark.parametrize(
    ("change", "same"),
    [
        ({"price": "8900"}, True),  # came down
        ({"date_created": "2024-05-20"}, True),
        ({"title": "Golf 1.4 TSI Highline one owner!"}, True),
        ({"fuel": ""}, True),
        ({"price": "3000"}, False),
        ({"mileage": "20000"}, False),
        ({"fuel": "diesel"}, False),
        ({"year": "2012"}, False),
        ({"city": "Bonn", "mileage": "81235"}, False),
        ({"title": "Trendline with towbar, second hand"}, True),  # the same price and kilometre
        ({"title": "Trendline with towbar, second hand", "mileage": "81300"}, False),
        ({"city": "Bonn"}, True),
        ({"city": "Bonn", "price": "9400"}, False),
    ],
)
def test_a_car_that_is_placed_again_is_one_listing(tmp_path: Path, change: dict[str, str], same: bool) -> None:
    found = joined(tmp_path, ad(), ad(**change))
    assert [relation for _, relation in relations(found)].count("near") == int(same)
    assert len(found.listings) == (1 if same else 2)


def test_round_distances_tell_no_car(tmp_path: Path) -> None:
    for km in ("80000", "0", "500"):
        found = joined(tmp_path, ad(mileage=km, title="a"), ad(mileage=km, title="b", city="Bonn"))
        assert len(found.listings) == 2, km


def test_the_row_with_a_price_stands_for_its_listing_and_gaps_are_filled(tmp_path: Path) -> None:
    poor = ad(price="", fuel="")
    rich = ad(price="9500", mileage="", url="https://x.example/ad/1")
    (row,) = joined(tmp_path, poor, rich).listings.to_dict("records")
    assert (row["price"], row["fuel"], row["mileage_km"], row["line"], row["copies"]) == (9500, "petrol", 81234, 3, 2)


def test_listings_with_a_price_come_first(tmp_path: Path) -> None:
    rows = [
        ad(price="", title="a b c", year="2001"),
        ad(price="0", title="d e f", year="2002"),
        ad(title="g h i", year="2003"),
    ]
    found = joined(tmp_path, *rows)
    assert found.listings["year"].tolist() == [2003, 2001, 2002]
    assert found.listings["listing_id"].tolist() == [1, 2, 3]
    assert found.sources["listing_id"].tolist() == [2, 3, 1]


def test_tables_of_different_make_are_joined(tmp_path: Path) -> None:
    table(tmp_path, ad(url="https://x.example/ad/1"))
    (tmp_path / "b.csv").write_text(
        "Marke;Modell;Baujahr;Preis;Kilometerstand;Farbe\nVW;golf;2015;9.500 €;81.234 km;blau\n"
    )
    found = prepared([tmp_path / "cars.csv", tmp_path / "b.csv"], BY, TODAY)
    assert [t.name for t in found.tables] == ["cars.csv", "b.csv"]
    assert len(found.listings) == 2  # euros are not what the first one counts in, for all that is known
    (tmp_path / "say.yaml").write_text("cars.csv: {currency: EUR}")
    found = prepared([tmp_path / "cars.csv", tmp_path / "b.csv"], understanding(overrides=tmp_path / "say.yaml"), TODAY)
    (row,) = found.listings.to_dict("records")
    assert (row["file"], row["colour"], row["copies"]) == ("cars.csv", "blue", 2)


CELLS = {
    "brand": ["VW", "BMW", "Tramontana", ""], "model": ["Golf", "3er", "R", "andere"], "year": ["2015", "9999", "x"],
    "price": ["9500", "9400", "0", ""], "mileage": ["81234", "80000", ""], "city": ["Ulm", ""],
    "title": ["one two three", "BMW 320d", ""],
}  # fmt: skip


@settings(max_examples=40, deadline=None)
@given(
    st.lists(
        st.fixed_dictionaries({name: st.sampled_from(cells) for name, cells in CELLS.items()}), min_size=1, max_size=14
    )
)
def test_no_row_is_lost_or_counted_twice(tmp_path_factory: pytest.TempPathFactory, rows: list[dict[str, str]]) -> None:
    folder = tmp_path_factory.mktemp("listings")
    found = joined(folder, *(ad(**row) for row in rows))
    assert len(found.sources) + len(found.rejects) == len(rows)
    assert found.listings["copies"].sum() == len(found.sources)
    assert found.listings["listing_id"].tolist() == list(range(1, len(found.listings) + 1))
    firsts = found.sources[found.sources["relation"] == "first"]
    assert sorted(firsts["listing_id"]) == found.listings["listing_id"].tolist()
    assert set(found.sources["listing_id"]) == set(found.listings["listing_id"])
    counted = [(t.exact, t.near, t.rows) for t in found.tables]
    assert counted[0][2] - counted[0][0] - counted[0][1] == len(found.listings)
    shuffled = list(rows)
    random.Random(1).shuffle(shuffled)
    again = joined(folder, *(ad(**row) for row in shuffled))
    assert len(again.listings) == len(found.listings)  # whatever the order


EVERYTHING = "brand model trim title year price currency km fuel gearbox engine power torque mpg kwh body colour doors"
ODD = st.text(max_size=12) | st.sampled_from(
    ["9" * 400, "1e999", "٣٤٥", "²", "-0", "1.2.3", "Bj. ٩٩", "$", "€9.9,9", "2.0 l 2.0", "\x00", "NaN"]
)


@settings(max_examples=25, deadline=None)
@given(st.lists(st.lists(ODD, min_size=18, max_size=18), min_size=1, max_size=4), ODD)
def test_no_cell_breaks_a_run(tmp_path_factory: pytest.TempPathFactory, rows: list[list[str]], header: str) -> None:
    folder = tmp_path_factory.mktemp("odd")
    names = [*EVERYTHING.split(), header]
    with (folder / "cars.csv").open("w", encoding="utf-8", errors="replace", newline="") as file:
        csv.writer(file).writerows([names, ["VW", "Golf", *[""] * 17], *([*row, row[0]] for row in rows)])
    found = prepared([folder / "cars.csv"], BY, TODAY)
    assert len(found.sources) >= 1
    write_listings(found, folder / "out.csv")
    write_profile(found, coverage(found), folder / "out.html")


def test_processes_give_what_one_process_gives(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("carharvest.listings.read.PIECE_ROWS", 5)
    rows = [
        ad(title=f"Golf number {n} 1.4 TSI", price=str(9000 + n % 7), mileage=str(80_001 + n % 9)) for n in range(23)
    ]
    alone = joined(tmp_path, *rows, ["broken"])
    together = prepared([tmp_path / "cars.csv"], BY, TODAY, processes=2)
    assert together.listings.equals(alone.listings)
    assert together.sources.equals(alone.sources)
    assert list(together.rejects) == list(alone.rejects)


@pytest.mark.parametrize(
    ("change", "flags"),
    [
        ({}, ""), ({"year": "1000"}, "year"), ({"year": "9999"}, "year"), ({"year": "2025"}, ""),
        ({"year": "2026"}, "year"),
        ({"year": "2018", "date_created": "2016-05-01"}, "year"), ({"year": "1886"}, ""), ({"price": "0"}, "price"),
        ({"price": "12345678"}, "price"),
        ({"price": "11111"}, "price"), ({"price": "99999"}, ""), ({"price": "1"}, "price"), ({"price": ""}, ""),
        ({"mileage": "9000000"}, "mileage"),
        ({"title": "Golf 0.999 l"}, ""), ({"title": "Golf 1500 kW"}, ""), ({"title": "Golf 2000 kW"}, "power"),
        ({"year": "9999", "price": "0"}, "year price"),
    ],
)  # fmt: skip
def test_what_cannot_be_meant_is_flagged_and_kept(tmp_path: Path, change: dict[str, str], flags: str) -> None:
    (row,) = joined(tmp_path, ad(**change)).listings.to_dict("records")
    assert row["flags"] == flags
    if "year" in change:
        assert row["year"] == int(change["year"])


def test_strict_leaves_out_what_is_flagged_and_says_so(tmp_path: Path) -> None:
    found = only_plausible(joined(tmp_path, ad(), ad(price="0", year="2001", title="a b c")))
    assert found.listings["price"].tolist() == [9500]
    assert [(r.line, r.reason) for r in found.rejects] == [(3, "implausible: price")]
    assert found.sources["listing_id"].tolist() == [1, 0]


def test_indian_prices_are_counted_in_lakh_where_the_brands_are_india_s(tmp_path: Path) -> None:
    (tmp_path / "car data.csv").write_text(
        "Car_Name,Year,Selling_Price,Kms_Driven\nciaz,2014,3.35,27000\nertiga,2013,4.75,43000\n"
    )
    found = prepared([tmp_path / "car data.csv"], BY, TODAY)
    assert found.listings["price"].tolist() == [335_000, 475_000]
    assert set(found.listings["currency"]) == {"INR"}
    assert "lakh" in found.tables[0].sense.why["price"]


def test_bare_power_is_kilowatts_where_titles_name_more_horse_power(tmp_path: Path) -> None:
    rows = "".join(
        f"Renault;Clio {n} ({round(kw * 1.36)}ch);{kw},000\n" for n, kw in enumerate((55, 66, 74, 81, 96, 110))
    )
    (tmp_path / "cars.csv").write_text("Marque;Désignation;Puissance maximale\n" + rows)
    found = prepared([tmp_path / "cars.csv"], BY, TODAY)
    assert found.sources["power_kw"].tolist() == [55, 66, 74, 81, 96, 110]


@pytest.mark.parametrize("name", ["a.parquet", "a.csv", "a.csv.gz", "a.db"])
def test_every_form_gives_the_same_table_back(tmp_path: Path, name: str) -> None:
    if name.endswith("parquet"):
        pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    found = joined(tmp_path, ad(), ad(year="", price="0", title="=HYPERLINK(1)"), ad(), ["BMW", "surplus"])
    written = write_listings(found, tmp_path / "out" / name)
    assert all(path.exists() for path in written)
    back = read_listings(tmp_path / "out" / name)
    assert list(back.columns) == list(found.listings.columns)
    plain = back.map(lambda value: "" if pd.isna(value) else str(value).removesuffix(".0").removesuffix(" 00:00:00"))
    assert plain["year"].tolist() == ["2015", ""]
    assert plain["listed_at"].tolist() == ["2024-05-01"] * 2
    assert plain["title"].tolist()[1].lstrip("'") == "=HYPERLINK(1)"
    assert plain["title"].tolist()[1].startswith("'") == (".csv" in name)  # no formula for a spreadsheet
    with (tmp_path / "out" / "rejects.csv").open() as file:
        assert [row["line"] for row in csv.DictReader(file)] == ["5"]
    assert not [path for path in (tmp_path / "out").iterdir() if path.name.startswith(".")]


def test_a_table_whose_texts_are_hostile_makes_a_harmless_profile(tmp_path: Path) -> None:
    name = "<b>x.csv"
    hostile = ad(brand="<script>alert(1)</script>", city="$\\frac{", fuel="<img src=x>")
    table(tmp_path, hostile, *(ad(year=str(2008 + n % 4), mileage=str(10_037 + 999 * n)) for n in range(24)), name=name)
    found = prepared([tmp_path / name], BY, TODAY)
    write_profile(found, coverage(found), tmp_path / "profile.html")
    page = (tmp_path / "profile.html").read_text()
    assert "<script" not in page.lower()
    assert "<b>x.csv" not in page
    assert page.count("data:image/png;base64,") == 2


def test_the_addresses_in_a_cell() -> None:
    assert addresses("https://x.example/a.jpg") == ["https://x.example/a.jpg"]
    assert addresses("https://x.example/a,b;s=3x4.jpg, https://x.example/2.jpg|https://x.example/2.jpg") == [
        "https://x.example/a,b;s=3x4.jpg", "https://x.example/2.jpg",
    ]  # fmt: skip
    assert addresses("['https://x.example/1.jpg', 'https://x.example/2.jpg']") == [
        f"https://x.example/{n}.jpg" for n in (1, 2)
    ]
    assert addresses("no address, file:///etc/passwd") == []


def test_listings_with_pictures_become_labelled_photos(tmp_path: Path, loopback: Loopback, carharvest: Run) -> None:
    for n in range(3):
        loopback.answers[f"/{n}.jpg"] = lambda n=n: (200, {"Content-Type": "image/jpeg"}, jpeg(n))
    found = joined(
        tmp_path,
        ad(image=f"{loopback.origin}/0.jpg | {loopback.origin}/1.jpg", url="https://ads.example/7"),
        ad(brand="BMW", model="3er", title="BMW 320d", image=f"{loopback.origin}/2.jpg"),
        ad(brand="Kia", model="Rio", title="Kia Rio"),
    )
    write_listings(found, tmp_path / "cars.db")
    done = carharvest("listings", "link", "cars.db", "--dry-run", "--json", "--brand", "bmw")
    assert json.loads(done.stdout) == [
        {"url": f"{loopback.origin}/2.jpg", "brand": "BMW", "model": "3 Series", "year": 2015}
    ]
    done = carharvest("listings", "link", "cars.db", "--allow-private-hosts")
    assert (done.returncode, "3 new photos" in done.stdout) == (0, True), done.stderr
    done = carharvest("normalize", "--only", "brands", "--only", "annotations")
    assert done.returncode == 0, done.stderr
    with open_catalog(tmp_path / "datasets") as catalog:
        stories = [photo_story(catalog, find_photo_ids(catalog, f"{loopback.origin}/{n}.jpg")[0]) for n in (0, 2)]
        again = list(ListingsSource(tmp_path / "cars.db").candidates(Query(""), limit=None))
        assert len(known_urls(catalog, again).photo_ids) == 3  # so that none is fetched again
    labels = [{label.kind: label.value for label in story.labels} for story in stories]
    assert [(told["brand"], told["model"], told["year"]) for told in labels] == [
        ("VOLKSWAGEN", "Golf", "2015"),
        ("BMW", "3 Series", "2015"),
    ]
    assert stories[0].sightings[0].page_url == "https://ads.example/7"


def test_a_year_that_cannot_be_meant_is_no_label(tmp_path: Path) -> None:
    write_listings(joined(tmp_path, ad(year="9999", image="https://x.example/1.jpg")), tmp_path / "a.csv")
    (candidate,) = ListingsSource(tmp_path / "a.csv").candidates(Query(""), limit=None)
    assert candidate.annotation is not None
    assert (candidate.annotation.model, candidate.annotation.year) == ("Golf", None)


def test_listings_without_pictures_cannot_be_linked(tmp_path: Path) -> None:
    write_listings(joined(tmp_path, ad()), tmp_path / "a.csv")
    with pytest.raises(BadListings, match=r"no listing in .* has the address of a picture"):
        list(ListingsSource(tmp_path / "a.csv").candidates(Query(""), limit=None))
    for name in ("cars.csv", "missing.csv", "missing.db", "a.txt"):
        with pytest.raises(BadListings):
            read_listings(tmp_path / name)


def test_the_commands(tmp_path: Path, carharvest: Run) -> None:
    (tmp_path / "tables").mkdir()
    table(tmp_path / "tables", ad(), ad(year="9999", title="a b c"), ["BMW"])
    table(tmp_path / "tables", ad(brand="Kia", model="Rio"), name="more.tsv")
    done = carharvest("listings", "prepare", "tables", "--explain")
    assert (done.returncode, [path.name for path in tmp_path.iterdir()]) == (0, ["tables"])
    assert "named 'date created' (en)" in done.stdout
    assert "more.tsv" in done.stdout
    done = carharvest("listings", "prepare", "tables/cars.csv", "-o", "out.csv", "--strict", "--json")
    told = json.loads(done.stdout)
    assert (told["rows"], told["rejected"], told["listings"]) == (2, 2, 1)
    assert told["files"] == ["out.csv", "out.sources.csv", "rejects.csv", "out.html"]
    done = carharvest("listings", "prepare", "tables/cars.csv", "-o", "out.csv")
    assert (done.returncode, "hint: --overwrite replaces it" in done.stderr) == (28, True)
    done = carharvest("listings", "words", "fuel")
    assert (done.returncode, "benzin" in done.stdout) == (0, True)


@pytest.mark.parametrize(
    ("output", "overwrite", "said"),
    [
        ("cars.csv", True, "cars.csv is read"),
        ("new.csv", False, "rejects.csv is there already"),
        ("cars.xyz", True, "cars.xyz is none of"),
    ],
)
def test_nothing_is_replaced_unasked(tmp_path: Path, output: str, overwrite: bool, said: str) -> None:
    (tmp_path / "rejects.csv").write_text("a person's own")
    with pytest.raises(BadListings, match=said):
        check_outputs(tmp_path / output, [tmp_path / "cars.csv"], overwrite=overwrite)
    check_outputs(tmp_path / "new.csv", [tmp_path / "cars.csv"], overwrite=True)


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    found = joined(tmp_path, ad())
    (tmp_path / "out" / "a.csv").mkdir(parents=True)  # a folder where the file should go
    with pytest.raises(BadListings, match=r"a\.csv cannot be written"):
        write_listings(found, tmp_path / "out" / "a.csv")
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == ["a.csv", "a.sources.csv", "rejects.csv"]


def test_a_folder_stands_for_the_tables_in_it(tmp_path: Path) -> None:
    for name in ("b.csv", "a.xlsx", "c.csv.gz", ".hidden.csv", "notes.md"):
        (tmp_path / name).touch()
    assert [file.name for file in files_in([tmp_path, tmp_path / "b.csv"])] == ["a.xlsx", "b.csv", "c.csv.gz", "b.csv"]
    (tmp_path / "empty").mkdir()
    with pytest.raises(BadListings, match="no tables"):
        files_in([tmp_path / "empty"])
