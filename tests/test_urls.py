"""Lists of addresses in files of many forms."""

import gzip
import json
from pathlib import Path

import pytest

from carharvest.errors import BadPlan, UnknownBrand
from carharvest.records import Query, WebAddress
from carharvest.sources.urls import UrlsSource

BMW = Query("BMW car", "BMW")


def brand_key(name: str) -> str:
    if name.lower() in {"bmw", "beemer"}:
        return "BMW"
    raise UnknownBrand(name)


CSV = (
    "\ufeffImage URL;Make;Title;Licence;Author;View;Ignored\n"
    'https://x.example/1.jpg;Beemer;"red; fast";CC BY 2.0;Zoë;rear;z\n'
    "\n"
    ";BMW;no address;;;;\n"
    "file:///etc/passwd;Skodilac;odd;;;;\n"
)


def test_a_csv_s_columns_are_found_by_many_names(tmp_path: Path) -> None:
    file = tmp_path / "list.csv"
    file.write_text(CSV, encoding="utf-8")
    first, second = UrlsSource(file, brand_key).candidates(Query("", "AUDI"), limit=None)
    assert (first.url, first.brand_asked, first.title) == ("https://x.example/1.jpg", "BMW", "red; fast")
    assert (first.license, first.license_url) == ("by", "https://creativecommons.org/licenses/by/2.0/")
    assert (first.author, first.view_asked) == ("Zoë", "rear")
    assert isinstance(second.place, WebAddress)  # which the download refuses: only http and https
    assert (second.brand_asked, second.title) == ("AUDI", "Skodilac odd")


def test_text_jsonl_parquet_and_packed_lists_say_the_same(tmp_path: Path) -> None:
    import pandas as pd

    rows = [{"url": f"https://x.example/{n}.jpg", "brand": "bmw"} for n in range(5)]
    (tmp_path / "a.txt").write_text("# a comment\n" + "\n\n".join(row["url"] for row in rows))
    lines = "\n".join(json.dumps(row) for row in rows)
    (tmp_path / "b.jsonl").write_text(lines)
    (tmp_path / "c.jsonl.gz").write_bytes(gzip.compress(lines.encode()))
    pd.DataFrame(rows).to_csv(tmp_path / "d.tsv", sep="\t", index=False)
    files = ["a.txt", "b.jsonl", "c.jsonl.gz", "d.tsv"]
    pytest.importorskip("pyarrow", reason="Parquet needs the extra `parquet`")
    pd.DataFrame(rows).to_parquet(tmp_path / "e.parquet")
    for name in [*files, "e.parquet"]:
        found = list(UrlsSource(tmp_path / name, brand_key).candidates(Query("", "BMW"), limit=None))
        assert [c.url for c in found] == [row["url"] for row in rows], name
        assert {c.brand_asked for c in found} == {"BMW"}, name
    assert len(list(UrlsSource(tmp_path / "b.jsonl", brand_key).candidates(BMW, limit=2))) == 2


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("a.csv", b"brand,price\nBMW,1\n", "no column `url`"),
        ("b.jsonl", b'{"url": "https://x"}\nnot json\n', "line 2"),
        ("c.jsonl", b"[1]\n", "line 1"),
        ("d.parquet", b"PAR0", "no Parquet"),
        ("e.txt.gz", b"\x1f\x8b broken", "breaks off|cannot be read"),
        ("missing.txt", None, "cannot be read"),
    ],
)
def test_a_list_that_cannot_be_read_is_named_with_its_place(
    tmp_path: Path, name: str, content: bytes | None, says: str
) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(BadPlan, match=says):
        list(UrlsSource(tmp_path / name, brand_key).candidates(BMW, limit=None))
