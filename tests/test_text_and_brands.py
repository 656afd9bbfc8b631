"""Names made plain, and brands found in them."""

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from carharvest.brands import BrandMapping, bundled_mapping, load_brands
from carharvest.errors import BrokenMapping, UnknownBrand
from carharvest.text import printable, to_ascii, words


@pytest.fixture(scope="module")
def mapping() -> BrandMapping:
    return load_brands()


@pytest.mark.parametrize(
    ("original", "plain"),
    [
        ("Mégane", "Megane"),
        ("Škoda", "Skoda"),
        ("ŠKODA  OCTAVIA Élégance", "SKODA OCTAVIA Elegance"),
        ("Citroën", "Citroen"),
        ("ﬁat", "fiat"),
    ],
)
def test_names_become_ascii(original: str, plain: str) -> None:
    assert to_ascii(original) == plain


@given(st.text())
def test_ascii_is_ascii_whatever_comes(text: str) -> None:
    assert to_ascii(text).isascii()


@given(st.text())
def test_nothing_printable_moves_the_cursor(text: str) -> None:
    assert not re.search(r"[\x00-\x1f\x7f-\x9f]", printable(text))


def test_words_part_letters_from_digits_and_scripts_without_blanks() -> None:
    assert words("BMW320i_Škoda") == ["bmw", "320", "i", "skoda"]
    assert words("宝马X5") == ["宝", "马", "x", "5"]


def test_the_mapping_is_as_large_as_promised(mapping: BrandMapping) -> None:
    assert len(mapping.brands) >= 150
    assert sum(len(brand.aliases) for brand in mapping.brands.values()) >= 600


@pytest.mark.parametrize(
    ("typed", "brand"),
    [
        ("vw", "VOLKSWAGEN"), ("merc", "MERCEDES-BENZ"), ("benz", "MERCEDES-BENZ"), ("chevy", "CHEVROLET"),
        ("beemer", "BMW"), ("alfa", "ALFA ROMEO"), ("landrover", "LAND ROVER"), ("rr", "ROLLS-ROYCE"),
        ("iran khodro", "IRAN KHODRO"), ("london taxi", "LONDON TAXI"), ("Škoda", "SKODA"), ("mini", "MINI"),
        ("比亚迪", "BYD"), ("лада", "LADA"), ("टाटा", "TATA"), ("MARUTI", "MARUTI SUZUKI"),
    ],
)  # fmt: skip
def test_any_name_of_a_brand_is_understood(mapping: BrandMapping, typed: str, brand: str) -> None:
    assert mapping.resolve(typed).key == brand


def test_an_unknown_brand_names_the_closest_ones(mapping: BrandMapping) -> None:
    with pytest.raises(UnknownBrand) as raised:
        mapping.resolve("volkswgen")
    assert "VOLKSWAGEN" in raised.value.hint


@pytest.mark.parametrize(
    ("text", "brands"),
    [
        ("2019 vw golf gti.jpg", ["VOLKSWAGEN"]),
        ("Land Rover Defender", ["LAND ROVER"]),
        ("Range Rover Sport", ["LAND ROVER"]),
        ("Rover 75 Tourer", ["ROVER"]),
        ("smart choice for a mini budget", []),
        ("take a seat in the ram, dodge the genesis of saturn", []),
        ("MINI Cooper S", ["MINI"]),
        ("smart fortwo", ["SMART"]),
        ("SEAT León FR", ["SEAT"]),
        ("Dodge RAM 1500", ["RAM"]),
        ("Mercedes-Maybach S 600", ["MAYBACH"]),
        ("AstonMartin_DB9", ["ASTON MARTIN"]),
        ("no.-48-bugatti-veyron-super-sport-for-sale", ["BUGATTI"]),
        ("新款宝马X5在街上", ["BMW"]),
        ("красная Шкода Октавия", ["SKODA"]),
        ("سيارة تويوتا", ["TOYOTA"]),
        ("Audi A4 beside a BMW", ["AUDI", "BMW"]),
        ("bmwx is no brand", []),
        ("", []),
    ],
)
def test_brands_are_found_in_free_text(mapping: BrandMapping, text: str, brands: list[str]) -> None:
    assert [match.brand for match in mapping.find(text)] == brands


@given(st.text(max_size=80))
def test_finding_brands_never_fails(text: str) -> None:
    for match in load_once().find(text):
        assert match.brand in load_once().brands


_once: list[BrandMapping] = []


def load_once() -> BrandMapping:
    if not _once:
        _once.append(load_brands())
    return _once[0]


def test_every_alias_leads_to_its_brand(mapping: BrandMapping) -> None:
    for brand in mapping.brands.values():
        for alias in (brand.key, brand.name, *brand.aliases):
            assert mapping.resolve(alias).key == brand.key, alias


GOOD = "version: 1\nbrands:\n  AUDI: {name: Audi, country: Germany, group: VW, tier: luxury, aliases: [audi ag]}\n"


@pytest.mark.parametrize(
    ("text", "place", "problem"),
    [
        ("brands:\n  AUDI: [", "3:1", "expected"),
        ("brands:\n  AUDI: {name: Audi}\n", "2:9", "country"),
        (GOOD.replace("tier: luxury", "tier: posh"), "3:", "tier"),
        (GOOD.replace("aliases: [audi ag]", "aliases: audi"), "3:", "list"),
        (GOOD + GOOD.splitlines()[2] + "\n", "4:3", "twice"),
        (GOOD + "  BMW: {name: BMW, country: Germany, group: BMW, tier: luxury, aliases: [audi]}\n", "4:", "AUDI"),
        (GOOD.replace("name: Audi", "nmae: Audi"), "3:", "nmae"),
        ("brands: 3\n", "1:9", "mapping"),
    ],
)
def test_a_broken_mapping_is_named_with_line_and_column(tmp_path: Path, text: str, place: str, problem: str) -> None:
    file = tmp_path / "brand_mapping.yaml"
    file.write_text(text, encoding="utf-8")
    with pytest.raises(BrokenMapping) as raised:
        load_brands(file)
    assert f"{file}:{place}" in str(raised.value)
    assert problem in str(raised.value)


def test_the_bundled_mapping_is_the_one_of_the_top_level() -> None:
    assert bundled_mapping().name == "brand_mapping.yaml"


def test_the_folders_of_the_real_photos_are_all_brands(mapping: BrandMapping, shared: Path) -> None:
    for folder in (shared / "photos" / "brands").iterdir():
        if folder.is_dir():
            assert mapping.exactly(folder.name), folder.name
