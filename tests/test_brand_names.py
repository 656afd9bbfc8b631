"""Brands in hard names, and the commands that explain and check the mapping."""

import json
import re
from pathlib import Path

import pytest
from conftest import Run
from test_normalize import MAPPING

# --- names ---------------------------------------------------------------------------------------------------


def test_hard_names() -> None:
    right = found = true = 0
    for line in (Path(__file__).parent / "data" / "hard_names.tsv").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        text, wanted = line.split("\t")
        expected = set(wanted.split("|")) - {"-"}
        assert expected <= MAPPING.brands.keys(), line
        named = {match.brand for match in MAPPING.find(text)}
        right, found, true = right + len(named & expected), found + len(named), true + len(expected)
    assert true > 400
    assert right / found >= 0.99
    assert right / true >= 0.97


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("2019 vw golf gti.jpg", {("vw", "names it"), ("golf", "a model; a brand is named")}),
        ("golf gti", {("golf", "its model, and no brand is named")}),
        ("golf course", {("golf course", "known to be no car")}),
        ("a mini budget", {("mini", "a common word, without one of its context words")}),
        ("mini in town, a cooper", {("mini", "a common word, with its context")}),
    ],
)
def test_a_text_is_explained(text: str, said: set[tuple[str, str]]) -> None:
    assert {(m.words, m.verdict) for m in MAPPING.explain(text)} == said


def test_the_mapping_that_comes_with_carharvest_is_sound(carharvest: Run) -> None:
    done = carharvest("brands", "check")
    assert done.returncode == 0, done.stdout
    assert "is sound" in done.stdout
    assert "VOLKSWAGEN" in carharvest("brands", "explain", "golf").stdout
    assert json.loads(carharvest("brands", "show", "vw", "--json").stdout)["key"] == "VOLKSWAGEN"


def test_check_names_line_and_column_of_what_is_doubtful(carharvest: Run, tmp_path: Path) -> None:
    doubtful = tmp_path / "brands.yaml"
    doubtful.write_text(
        "brands:\n"
        "  AUDI: {name: Audi, country: Germany, group: VW, tier: luxury, models: [quattro], aliases: [ауди, ауди]}\n"
        "  BMW: {name: BMW, country: G, group: BMW, tier: luxury, models: [quattro], aliases: [ауди, golf club]}\n"
        "nothing: [golf club]\n"
    )
    done = carharvest("brands", "check", "--json", CARHARVEST_BRAND_MAPPING=str(doubtful))
    assert done.returncode == 12
    told = [(p["line"], p["kind"]) for p in json.loads(done.stdout)]
    assert told == [(2, "repeated"), (3, "ambiguous"), (3, "ambiguous"), (3, "unreachable")]
    assert all(re.search(r"BMW|AUDI", p["text"]) for p in json.loads(done.stdout))
