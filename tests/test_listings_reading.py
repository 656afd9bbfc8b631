"""Tables of listings as they come: delimiters, encodings, books, archives, broken lines."""

import csv
import gzip
import io
import zipfile
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carharvest.errors import BadListings
from carharvest.listings.lines import rows
from carharvest.listings.read import tables_of
from carharvest.listings.tables import Table, unique_header

ROWS = [
    ["Marke", "Modell", "Preis", "Farbe"],
    ["Škoda", "Octavia", "12.500,50", "grün"],
    ["Citroën", "C4", "7.900,00", "weiß"],
    ["VW", 'Golf "Edition"; neu', "3.100,00", "blau\nmetallic"],
]


def read(path: Path) -> tuple[Table, list[tuple[int, list[str]]]]:
    (table,) = tables_of(path)
    found = [
        (line, list(cells)) for piece in table.pieces for line, cells in zip(piece.lines, piece.cells, strict=True)
    ]
    return table, found


def text(delimiter: str = ",", lines: list[list[str]] = ROWS) -> str:
    held = io.StringIO(newline="")
    csv.writer(held, delimiter=delimiter, lineterminator="\r\n").writerows(lines)
    return held.getvalue()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1250"])
def test_a_table_reads_the_same_whatever_its_delimiter_and_encoding(
    tmp_path: Path, delimiter: str, encoding: str
) -> None:
    file = tmp_path / "cars.csv"
    lines = [ROWS[0], *ROWS[1:] * 12]  # enough letters to tell one 8-bit encoding from another
    file.write_bytes(text(delimiter, lines).encode(encoding))
    table, found = read(file)
    assert list(table.header) == ROWS[0]
    assert [cells for _, cells in found] == lines[1:]
    assert found[0][0] == 2
    assert found[3][0] == 6  # the row before it takes two lines
    assert table.rejects == []


@pytest.mark.parametrize("encoding", ["cp1252", "latin-1"])
def test_western_eight_bit_tables_read_as_windows_1252(tmp_path: Path, encoding: str) -> None:
    file = tmp_path / "autos.csv"
    lines = [
        ["name", "preis"],
        *[[f"Coupé für Liebhaber, schöner Zustand, Türen grün {n}", "1.200"] for n in range(40)],
    ]
    file.write_bytes(text(";", lines).encode(encoding))
    table, found = read(file)
    assert table.encoding == "cp1252"
    assert found[7][1] == lines[8]


@pytest.mark.parametrize(
    ("encoding", "words"),
    [
        ("cp1250", "Samochód w bardzo dobrym stanie, skrzynia biegów manualna, żółty, łódź, świetny"),
        ("cp1250", "Škoda Octavia, velmi pěkný stav, červená, řazení manuální, žluťoučký kůň"),
        ("cp1251", "Продается автомобиль в хорошем состоянии, бензин, механика"),
        ("cp1252", "Boîte mécanique, très bon état, à débattre, première main, garçon"),
    ],
)
def test_eight_bit_tables_read_in_the_language_they_were_written_in(tmp_path: Path, encoding: str, words: str) -> None:
    file = tmp_path / "cars.csv"
    file.write_bytes(text("|", [["name", "n"], *[[words, str(n)] for n in range(30)]]).encode(encoding))
    table, found = read(file)
    assert (table.encoding, found[0][1][0]) == (encoding, words)


def test_packed_tables_read_like_plain_ones(tmp_path: Path) -> None:
    plain = text().encode()
    (tmp_path / "a.csv").write_bytes(plain)
    (tmp_path / "b.csv.gz").write_bytes(gzip.compress(plain))
    with zipfile.ZipFile(tmp_path / "c.zip", "w") as archive:
        archive.writestr("inner/d.tsv", text("\t"))
        archive.writestr("../../e.csv", plain)
        archive.writestr("notes.md", "no table")
    _, expected = read(tmp_path / "a.csv")
    assert read(tmp_path / "b.csv.gz")[1] == expected
    tables = []
    for table in tables_of(tmp_path / "c.zip"):
        tables.append(table.name)
        assert [list(cells) for piece in table.pieces for cells in piece.cells] == ROWS[1:]
    assert tables == ["c.zip/inner/d.tsv", "c.zip/../../e.csv"]
    assert sorted(path.name for path in tmp_path.parent.glob("e.csv")) == []  # a member's name is no path


def test_each_sheet_of_a_book_is_a_table(tmp_path: Path) -> None:
    import datetime

    openpyxl = pytest.importorskip("openpyxl", reason="writes the book")
    book = openpyxl.Workbook()
    book.active.title = "cars"
    for row in (
        ["brand", "price", "when", "4x4"],
        ["BMW", 12500.5, datetime.date(2024, 5, 31), True],
        [None] * 4,
        ["VW", 900],
    ):
        book.active.append(row)
    book.create_sheet("more").append(["brand", "price"])
    book["more"].append(["Kia", 3])
    book.create_sheet("empty")
    book.save(tmp_path / "b.xlsx")
    found = {}
    for table in tables_of(tmp_path / "b.xlsx"):
        cells = [tuple(row) for piece in table.pieces for row in piece.cells]
        found[table.name] = cells, [(r.line, r.reason) for r in table.rejects]
    assert found == {
        "b.xlsx#cars": ([("BMW", "12500.5", "2024-05-31", "true"), ("VW", "900", "", "")], [(3, "empty")]),
        "b.xlsx#more": ([("Kia", "3")], []),
    }


def test_broken_lines_are_kept_aside_with_their_numbers(tmp_path: Path) -> None:
    file = tmp_path / "cars.csv"
    file.write_text(
        "brand,model,price\n"
        "BMW,320,1000\n"
        "Audi,A4\n"
        '"VW,Golf,3000\n'
        "Kia,Rio,4000,,\n"
        "Kia,Rio,4000,surplus\n"
        ",,\n"
        "Fiat,Punto,5000\n"
        "Opel,Co"
    )
    table, found = read(file)
    assert found == [(2, ["BMW", "320", "1000"]), (5, ["Kia", "Rio", "4000"]), (8, ["Fiat", "Punto", "5000"])]
    assert [(r.line, r.reason) for r in table.rejects] == [
        (3, "2 cells where the header has 3"),
        (4, "a quote that is never closed"),
        (6, "4 cells where the header has 3"),
        (7, "empty"),
        (9, "cut off: 2 cells where the header has 3"),
    ]
    assert table.rejects[1].text == '"VW,Golf,3000'


def test_a_last_line_that_breaks_off_inside_its_last_cell_is_kept_aside(tmp_path: Path) -> None:
    file = tmp_path / "cars.csv"
    whole = "brand,seen\n" + "".join(f"BMW,2024-05-{n:02} 10:00\n" for n in range(1, 9))
    file.write_text(whole + "VW,2024-05-1")
    table, found = read(file)
    assert (len(found), [(r.line, r.reason, r.text) for r in table.rejects]) == (8, [(10, "cut off", "VW,2024-05-1")])
    file.write_text(whole + "VW,2024-05-10 11:00")  # no line end, but whole
    table, found = read(file)
    assert (len(found), table.rejects) == (9, [])


def test_a_cell_too_long_for_any_table_costs_its_line(tmp_path: Path) -> None:
    file = tmp_path / "cars.csv"
    file.write_text("brand,model\nBMW," + "x" * 140_000 + "\nVW,Golf\n")
    table, found = read(file)
    assert found == [(3, ["VW", "Golf"])]
    assert [r.line for r in table.rejects] == [2]
    assert len(table.rejects[0].text) == 2000


CELL = st.text(
    st.characters(codec="utf-8", exclude_categories=["Cc", "Cs"], exclude_characters='",\u2028\u2029\x85'), max_size=8
)


@given(
    st.lists(st.tuples(CELL, CELL, CELL), min_size=1, max_size=12),
    st.integers(0, 12),
    st.sampled_from(['"a,b', '"', "a,b", "a"]),
)
def test_a_broken_line_costs_no_other(lines: list[tuple[str, str, str]], place: int, broken: str) -> None:
    good = [[f"row {n}", *cells] for n, cells in enumerate(lines)]
    written = text(",", good).splitlines(keepends=True)
    place = min(place, len(written))
    whole = ["a,b,c,d\r\n", *written[:place], broken + "\r\n", *written[place:]]
    found = list(rows(whole, ","))[1:]
    assert [row.cells for row in found if not row.reason] == good
    assert [row.line for row in found if row.reason] == [place + 2]
    assert sorted(row.line for row in found) == list(range(2, len(good) + 3))  # each line once


def test_what_is_no_table_is_refused_by_name(tmp_path: Path) -> None:
    (tmp_path / "a.pdf").write_bytes(b"%PDF")
    (tmp_path / "b.csv").write_bytes(b"\n \n")
    (tmp_path / "c.xlsx").write_bytes(b"PK\x03\x04 no book")
    (tmp_path / "d.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n" * 3000)[:-9])
    (tmp_path / "e.zip").write_bytes(b"no archive")
    for name in ["a.pdf", "b.csv", "c.xlsx", "d.csv.gz", "e.zip", "missing.csv"]:
        with pytest.raises(BadListings, match=name.partition(".gz")[0].replace(".", r"\.")):
            for table in tables_of(tmp_path / name):
                list(table.pieces)


def test_names_of_columns_are_made_unique() -> None:
    assert unique_header(["a", " a ", "", "b\n c"]) == ("a", "a (2)", "column 3", "b c")
