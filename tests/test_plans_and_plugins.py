"""Plans, all sources at once, dry runs, sources of other packages, credits: through the command line."""

import json
import re
import shlex
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest
from conftest import ROOT, Loopback, Run, carharvest_in, jpeg
from test_readme import commands_of

from carharvest.brands import load_brands
from carharvest.errors import BadPlan, BadSettings, EmptyResult, MissingKey
from carharvest.sample.server import SAMPLE_KEY, SampleGallery
from carharvest.sources.plan import read_plan

PLAN = """
brands = ["BMW", "vw"]
views = ["front", "rear"]
queries = ["{brand} car {view}", "{brand} street"]
licenses = ["pexels", "cc0"]
quota = 12

[sources]
pexels = 20
openverse = 10

[quotas]
VW = 5
"""


def openverse(loopback: Loopback) -> Callable[[], tuple[int, dict[str, str], bytes]]:
    """Two pictures under CC0 and one under BY for any query."""

    def answer() -> tuple[int, dict[str, str], bytes]:
        asked = re.sub(r"\W+", "-", loopback.asked[-1].partition("q=")[2].partition("&")[0])
        entries = []
        for number, license_ in enumerate(("cc0", "by", "cc0")):
            path = f"/photo/{asked}-{number}.jpg"
            loopback.answers[path] = lambda path=path: (200, {}, jpeg(zlib.crc32(path.encode())))
            entries.append({"url": loopback.origin + path, "title": f"{asked} {number}", "license": license_})
        page = {"result_count": 3, "page_count": 1, "page_size": 20, "page": 1, "results": entries}
        return 200, {}, json.dumps(page).encode()

    return answer


@pytest.fixture
def run(tmp_path: Path, gallery: SampleGallery, loopback: Loopback) -> Run:
    """The command line with the sample gallery in Pexels' place and the loopback server in all others'."""
    here = loopback.origin
    loopback.answers["/v1/images/"] = openverse(loopback)
    return carharvest_in(
        tmp_path,
        PEXELS_API_KEY=SAMPLE_KEY,
        CARHARVEST_PEXELS__URL=gallery.origin,
        CARHARVEST_OPENVERSE__URL=here,
        CARHARVEST_COMMONS__URL=f"{here}/w/api.php",
        CARHARVEST_BING__URL=here,
        CARHARVEST_GOOGLE__URL=here,
        CARHARVEST_HARVEST__PROCESSES="0",
    )


def test_a_plan_runs_goes_on_and_keeps_its_quotas(run: Run, tmp_path: Path) -> None:
    (tmp_path / "harvest.toml").write_text(PLAN)
    dry = json.loads(run("scrape", "plan", "--dry-run", "--json").stdout)
    assert len(dry["asks"]) == 2 * 2 * (2 + 2)
    assert dry["requests"] == {"pexels": 8, "openverse": 8}
    assert not (tmp_path / "datasets" / "catalog.db").exists()
    first = run("scrape", "plan", "--json")
    assert first.returncode == 0, first.stderr
    status = json.loads(run("status", "--json").stdout)
    assert set(status["sources"]) <= {"pexels", "openverse"}
    assert 12 <= status["photos"] <= 12 + 20 + 5 + 10
    again = json.loads(run("scrape", "plan", "harvest.toml", "--json").stdout or "{}")
    assert again.get("new", 0) == 0


def test_all_asks_every_source_and_one_that_fails_stops_no_other(run: Run, loopback: Loopback, tmp_path: Path) -> None:
    done = run("scrape", "all", "--brand", "BMW", "--limit", "5", "--json")
    told = json.loads(done.stdout)
    assert told["new"] + told["known"] >= 7  # 5 of pexels, up to 3 of openverse, which may be damaged in the gallery
    assert {"bing", "commons", "flickr"} <= set(told["errors"])
    assert done.returncode != 0
    assert "warning: " in done.stderr


def test_keys_are_in_no_output_not_even_with_debug(run: Run, loopback: Loopback, tmp_path: Path) -> None:
    secrets = {"FLICKR_API_KEY": "flickr-secret-1", "PEXELS_API_KEY": "pexels-secret-2"}
    secrets |= {"CARHARVEST_OPENVERSE__CLIENT_ID": "id-secret-3", "CARHARVEST_OPENVERSE__CLIENT_SECRET": "secret-4"}
    here = {"CARHARVEST_FLICKR__URL": f"{loopback.origin}/rest"}
    for status, body in ((500, b""), (200, b"<html>"), (200, b'{"stat": "fail", "code": 105, "message": "sorry"}')):
        loopback.answers["/rest"] = lambda status=status, body=body: (status, {}, body)
        for source in ("flickr", "openverse", "pexels"):
            done = run("scrape", source, "--brand", "BMW", "--debug", "--no-wait", **secrets, **here)
            assert done.returncode not in (0, 1), done.stderr
            for secret in secrets.values():
                assert secret not in done.stdout + done.stderr
    gone = run(
        "scrape", "flickr", "--brand", "BMW", "--debug", **secrets, CARHARVEST_FLICKR__URL="http://127.0.0.1:9/r"
    )
    assert "Traceback" in gone.stderr
    assert "flickr-secret-1" not in gone.stderr
    kept = b"".join(file.read_bytes() for file in (tmp_path / "datasets").rglob("*") if file.is_file())
    assert not any(secret.encode() in kept for secret in secrets.values())


def test_a_filter_of_licences_holds(run: Run) -> None:
    done = run("scrape", "openverse", "--brand", "BMW", "--license", "CC0", "--json")
    assert json.loads(done.stdout)["candidates"] == 2, done.stderr
    refused = run("scrape", "openverse", "--brand", "BMW", "--license", "gratis")
    assert refused.returncode == BadSettings.exit_code
    assert "licences are: cc0" in refused.stderr


def test_a_dry_run_says_what_it_would_cost_and_asks_nothing(run: Run, loopback: Loopback) -> None:
    done = run(
        "scrape", "openverse", "--brand", "BMW", "--brand", "vw", "--view", "front", "--limit", "50", "--dry-run"
    )
    assert "openverse: 6 requests at most" in done.stdout
    assert "Volkswagen car front" in done.stdout
    assert loopback.asked == []


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ('brands = ["BMW"]', "sources"),
        ('brands = []\nsources = ["bing"]', "brands"),
        ('brands = ["BMW"]\nsources = ["bing"]\nviews = ["top"]', "views"),
        ('brands = ["BMW"]\nsources = ["bing"]\nlimits = 4', "limits"),
        ("brands = [", "no TOML"),
    ],
)
def test_a_plan_that_makes_no_sense_is_named(tmp_path: Path, text: str, says: str) -> None:
    (tmp_path / "p.toml").write_text(text)
    with pytest.raises(BadPlan, match=says):
        read_plan(tmp_path / "p.toml")


@pytest.mark.slow
def test_the_commands_of_the_docs_work(run: Run, tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/1.jpg"] = lambda: (200, {}, jpeg(1))
    (tmp_path / "list.csv").write_text(f"url,brand,license\n{loopback.origin}/1.jpg,BMW,CC BY 4.0\n")
    (tmp_path / "harvest.toml").write_text('brands = ["BMW"]\nsources = ["openverse"]\n')
    commands = commands_of("docs/harvesting.md")
    assert len(commands) >= 5
    for command in commands:
        if command.startswith("carharvest attribution"):
            assert run("normalize", "--skip", "content").returncode == 0
        done = run(*shlex.split(command)[1:], CARHARVEST_HARVEST__ALLOW_PRIVATE_HOSTS="true")
        assert done.returncode == 0, f"{command}\n{done.stdout}\n{done.stderr}"


def test_the_plan_of_the_docs_is_one(tmp_path: Path) -> None:
    (block,) = re.findall(r"```toml\n(# harvest.toml.*?)```", (ROOT / "docs" / "harvesting.md").read_text(), re.DOTALL)
    (tmp_path / "p.toml").write_text(block)
    plan = read_plan(tmp_path / "p.toml")
    assert plan.quota_of(load_brands())["BMW"] == 1000


def test_the_source_of_the_docs_works_as_it_stands(tmp_path: Path, loopback: Loopback) -> None:
    text = (ROOT / "docs" / "adding-a-source.md").read_text(encoding="utf-8")
    (code,) = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    (entry,) = re.findall(r"\ndealer = \"(.*?)\"", text)
    assert len(code.splitlines()) < 80
    package = tmp_path / "package"
    (package / "dealer_source-1.0.dist-info").mkdir(parents=True)
    (package / "dealer_source.py").write_text(code)
    about = package / "dealer_source-1.0.dist-info"
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: dealer-source\nVersion: 1.0\n")
    (about / "entry_points.txt").write_text(f"[carharvest.sources]\ndealer = {entry}\nbing = evil:make\n")
    (tmp_path / "carharvest.toml").write_text(f'[sources.dealer]\nurl = "{loopback.origin}/stock"\n')
    for number in (1, 2):
        loopback.answers[f"/{number}.jpg"] = lambda number=number: (200, {}, jpeg(number))

    def stock() -> tuple[int, dict[str, str], bytes]:
        number = 2 if "page=2" in loopback.asked[-1] else 1
        car = {"photo": f"{loopback.origin}/{number}.jpg", "title": "BMW 320", "license": "CC BY 4.0"}
        return 200, {}, json.dumps({"cars": [car], "next": 2 if number == 1 else None}).encode()

    loopback.answers["/stock"] = stock
    run = carharvest_in(tmp_path, PYTHONPATH=f"{ROOT}:{package}", CARHARVEST_HARVEST__PROCESSES="0")
    assert "dealer" in run("scrape", "--help").stdout
    refused = run("scrape", "dealer", "--brand", "BMW", "--quiet")
    assert "private-address" in refused.stdout  # a plugin's pictures are as untrusted as any
    done = run("scrape", "dealer", "--brand", "BMW", "--json", "--allow-private-hosts")
    assert json.loads(done.stdout)["candidates"] == 2, done.stderr
    (tmp_path / "carharvest.toml").write_text("")
    assert run("scrape", "dealer", "--brand", "BMW").returncode == MissingKey.exit_code
    assert "bing's page" not in run("scrape", "bing", "--brand", "BMW", "--dry-run").stderr


def test_credits_come_as_text_table_and_page(filled: Path, carharvest: Run) -> None:
    text = carharvest("attribution")
    assert text.returncode == 0, text.stderr
    assert "licence" in text.stderr or "Pexels License" in text.stdout
    page = filled / "credits.html"
    assert carharvest("attribution", "-o", str(page)).returncode == 0
    assert page.read_text(encoding="utf-8").count("<tr>") == len(json.loads(carharvest("attribution", "--json").stdout))
    table = filled / "credits.csv"
    assert carharvest("attribution", "-o", str(table)).returncode == 0
    assert table.read_text(encoding="utf-8").startswith("file,sha256,brand,source,author")


def test_credits_of_nothing_are_an_error(carharvest: Run, tmp_path: Path, loopback: Loopback) -> None:
    (tmp_path / "bmw").mkdir()
    (tmp_path / "bmw" / "1.jpg").write_bytes(jpeg(1))
    carharvest("scrape", "folder", "bmw")
    assert carharvest("attribution").returncode == EmptyResult.exit_code
