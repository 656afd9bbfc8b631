"""Each source against a loopback server, or a tree, of the documented shape."""

import json
import logging
import time
import zipfile
from pathlib import Path
from typing import Any

import pytest
from conftest import Answer, Loopback, jpeg

from carharvest.brands import load_brands
from carharvest.errors import EmptyResult, NoNetwork, QuotaSpent, SourceFailed, UnreadableFolder, WrongKey
from carharvest.records import Query
from carharvest.sample.server import SAMPLE_KEY, SampleGallery
from carharvest.sources.api import Api, cached_session
from carharvest.sources.base import queries
from carharvest.sources.folder import FolderSource
from carharvest.sources.google import GoogleSource, pictures_in
from carharvest.sources.pexels import PexelsSource, is_documented
from carharvest.sources.quota import HOUR_S, Quota, Window

BMW = Query("BMW car", "BMW")


def pexels(tmp_path: Path, origin: str, key: str = SAMPLE_KEY, wait: Any = None) -> PexelsSource:
    quota = Quota(tmp_path / "quota.json", (Window(200, HOUR_S),), wait)
    return PexelsSource(key, Api("pexels", cached_session(None, "tests"), quota, is_documented), base_url=origin)


def page(**more: object) -> bytes:
    photo = {"id": 1, "src": {"large2x": "https://images.example/1.jpg"}, "alt": "A BMW", "photographer": "Zoë"}
    return json.dumps({"page": 1, "per_page": 80, "photos": [photo], "total_results": 1, **more}).encode()


def test_a_query_is_made_of_brand_and_view() -> None:
    mapping = load_brands()
    asked = queries([mapping.resolve("mg"), mapping.resolve("škoda")], ["rear", "front-left"], None)
    assert [query.text for query in asked] == [
        "MG car back",
        "MG car front left",
        "Škoda car back",
        "Škoda car front left",
    ]
    assert (asked[0].brand, asked[0].view) == ("MG", "rear")
    assert queries([mapping.resolve("vw")], [], "old {brand} on a beach {view}")[0].text == "old Volkswagen on a beach"


def test_pexels_pages_to_the_end_and_keeps_the_credits(tmp_path: Path, gallery: SampleGallery) -> None:
    expected = gallery.search("BMW car")
    source = pexels(tmp_path, gallery.origin)
    found = list(source.candidates(BMW, limit=None))
    assert len(found) == len(expected)
    first, item = found[0], expected[0]
    assert (first.author, first.alt, first.license) == (item.author, item.alt, "pexels")
    assert first.page_url.endswith(f"-{item.id}/")
    assert (first.brand_asked, first.query) == ("BMW", "BMW car")
    assert first.url.startswith(gallery.origin)


def test_pexels_asks_for_no_more_than_the_limit(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/v1/search"] = lambda: (200, {}, page())
    assert len(list(pexels(tmp_path, loopback.origin).candidates(BMW, limit=1))) == 1
    assert "per_page=1" in loopback.asked[0]
    list(pexels(tmp_path, loopback.origin).candidates(BMW, limit=500))
    assert "per_page=80" in loopback.asked[1]


def test_pexels_passes_its_filters_on(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/v1/search"] = lambda: (200, {}, page())
    source = pexels(tmp_path, loopback.origin)
    source.orientation, source.size, source.color, source.locale = "landscape", "large", "#ffffff", "de-DE"
    list(source.candidates(BMW, limit=5))
    for part in ("orientation=landscape", "size=large", "color=%23ffffff", "locale=de-DE"):
        assert part in loopback.asked[0]


def test_a_view_brings_photos_from_that_side(gallery: SampleGallery) -> None:
    found = gallery.search("BMW car front left")
    assert found
    assert {item.view for item in found} <= {"front-left", None}
    assert len(found) < len(gallery.search("BMW car"))


def test_a_wrong_key_is_named_not_told(
    tmp_path: Path, gallery: SampleGallery, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    source = pexels(tmp_path, gallery.origin, key="secret-key-123")
    with pytest.raises(WrongKey) as raised:
        list(source.candidates(BMW, limit=5))
    told = f"{raised.value} {raised.value.hint} {source!r} {caplog.text}" + (tmp_path / "quota.json").read_text()
    assert "secret-key-123" not in told


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ((500, {}, b"oops"), SourceFailed),
        ((200, {}, b"<html>"), SourceFailed),
        ((200, {}, b"[]"), SourceFailed),
        ((200, {}, b'{"photos": 3}'), SourceFailed),
        ((302, {"Location": "http://127.0.0.1:1/"}, b""), SourceFailed),
        ((200, {}, page(next_page="https://elsewhere.example/v1/search?page=2")), SourceFailed),
    ],
)
def test_an_undocumented_answer_is_an_error(
    tmp_path: Path, loopback: Loopback, answer: Answer, error: type[Exception]
) -> None:
    loopback.answers["/v1/search"] = lambda: answer
    with pytest.raises(error):
        list(pexels(tmp_path, loopback.origin).candidates(BMW, limit=None))


def test_odd_entries_of_a_page_are_passed_over(tmp_path: Path, loopback: Loopback) -> None:
    good = {"id": 1, "src": {"original": "https://images.example/1.jpg"}, "alt": None}
    body = json.dumps({"photos": [None, {}, {"src": 1}, {"src": {"large2x": 5}}, good]}).encode()
    loopback.answers["/v1/search"] = lambda: (200, {}, body)
    found = list(pexels(tmp_path, loopback.origin).candidates(BMW, limit=None))
    assert [candidate.url for candidate in found] == ["https://images.example/1.jpg"]


def test_no_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(NoNetwork):
        list(pexels(tmp_path, "http://127.0.0.1:9").candidates(BMW, limit=5))


def test_after_a_429_it_waits_as_told_and_goes_on(tmp_path: Path, loopback: Loopback) -> None:
    answers = iter([(429, {"Retry-After": "7"}, b""), (200, {}, page())])
    loopback.answers["/v1/search"] = lambda: next(answers)
    waited: list[float] = []
    source = pexels(tmp_path, loopback.origin, wait=lambda seconds, why: waited.append(seconds))
    assert len(list(source.candidates(BMW, limit=5))) == 1
    assert waited == [7.0]


def test_without_waiting_a_429_says_when_to_come_back(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/v1/search"] = lambda: (429, {"Retry-After": "60"}, b"")
    with pytest.raises(QuotaSpent) as raised:
        list(pexels(tmp_path, loopback.origin).candidates(BMW, limit=5))
    assert "come back at 20" in raised.value.hint


def test_a_spent_month_is_not_waited_for(tmp_path: Path, loopback: Loopback) -> None:
    headers = {"X-Ratelimit-Remaining": "0", "X-Ratelimit-Reset": str(int(time.time()) + 10 * 86_400)}
    loopback.answers["/v1/search"] = lambda: (429, headers, b"")
    with pytest.raises(QuotaSpent) as raised:
        list(pexels(tmp_path, loopback.origin, wait=lambda seconds, why: None).candidates(BMW, limit=5))
    assert "monthly" in str(raised.value)


def test_the_quota_holds_over_runs_and_slides(tmp_path: Path) -> None:
    clock = [1_000_000.0]
    waited: list[float] = []

    def wait(seconds: float, why: str) -> None:
        waited.append(seconds)
        clock[0] += seconds

    for run in range(5):  # 5 runs of 60 requests: 300 in all
        quota = Quota(tmp_path / "q.json", (Window(200, HOUR_S),), wait, now=lambda: clock[0])
        for _ in range(60):
            quota.take()
            clock[0] += 1
        assert (run < 3) == (not waited)
    assert clock[0] - 1_000_000 >= 3600


def test_a_clock_set_back_does_not_stall_the_quota(tmp_path: Path) -> None:
    clock = [1_000_000.0]
    for moment in (1_000_000.0, 900_000.0):
        clock[0] = moment
        quota = Quota(tmp_path / "q.json", (Window(1, HOUR_S),), None, now=lambda: clock[0])
        quota.take()


RESULTS = (
    "<html><script>AF_initDataCallback({data:["
    '["https://encrypted-tbn0.gstatic.com/images?q\\u003dtbn:abc",183,275],'
    '["https://cars.example/a.jpg?x\\u003d1",1200,1800],null,'
    '{"2003":[null,"id1","https://cars.example/page","BMW X5 \\u2013 gallery","x"]}],'
    '[["https://cars.example/b.png",600,800]]});</script>'
    '<a href="/imgres?imgurl=https%3A%2F%2Fcars.example%2Fc.jpg&amp;imgrefurl=https%3A%2F%2Fcars.example%2Fp">x</a>'
)


def test_google_s_result_page_gives_pictures_with_their_pages() -> None:
    found = pictures_in(RESULTS)
    assert [f["file_url"] for f in found] == [
        "https://cars.example/a.jpg?x=1", "https://cars.example/b.png", "https://cars.example/c.jpg",
    ]  # fmt: skip
    assert found[0]["page_url"] == "https://cars.example/page"
    assert found[0]["title"] == "BMW X5 – gallery"


def test_google_goes_through_icrawler_s_feeder(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/search"] = lambda: (200, {}, RESULTS.encode())
    source = GoogleSource(tmp_path, tmp_path / "kept", origin=loopback.origin, delay_s=0)
    found = list(source.candidates(Query("BMW car", "BMW"), limit=150))
    assert len(found) == 3  # the second page brings nothing new
    assert [path.partition("?")[0] for path in loopback.asked] == ["/search", "/search"]
    assert "q=BMW+car" in loopback.asked[0]
    assert "tbm=isch" in loopback.asked[0]


def test_a_page_without_pictures_is_an_error_and_is_kept(tmp_path: Path, loopback: Loopback) -> None:
    shell = b"<html><noscript>Please enable JavaScript</noscript></html>"
    loopback.answers["/search"] = lambda: (200, {}, shell)
    with pytest.raises(EmptyResult) as raised:
        list(GoogleSource(tmp_path / "pages", tmp_path / "kept", origin=loopback.origin).candidates(BMW, limit=5))
    (saved,) = (tmp_path / "pages").iterdir()
    assert saved.read_bytes() == shell
    assert str(saved) in str(raised.value)


def test_google_s_refusal_is_an_error(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/search"] = lambda: (429, {}, b"unusual traffic")
    with pytest.raises(SourceFailed):
        list(GoogleSource(tmp_path, tmp_path / "kept", origin=loopback.origin).candidates(BMW, limit=5))


def test_a_folder_gives_its_pictures_in_order(tmp_path: Path) -> None:
    tree = tmp_path / "cars"
    for name in ("bmw/2.jpg", "audi/8.jpf.jpg", "audi/notes.txt", "audi/.hidden.jpg", ".git/x.jpg", "audi/deep/é.PNG"):
        (tree / name).parent.mkdir(parents=True, exist_ok=True)
        (tree / name).write_bytes(jpeg(1))
    (tree / "loop").symlink_to(tree)
    with zipfile.ZipFile(tree / "more.zip", "w") as archive:
        archive.writestr("../../etc/opel/1.jpg", jpeg(2))
        archive.writestr("__MACOSX/._1.jpg", b"x")
    found = list(FolderSource(tree).candidates(Query(""), limit=None))
    assert [(c.folder, c.file_name) for c in found] == [
        ("cars/audi", "8.jpf.jpg"), ("cars/audi/deep", "é.PNG"), ("cars/bmw", "2.jpg"), ("cars/more/etc/opel", "1.jpg"),
    ]  # fmt: skip
    assert len(list(FolderSource(tree).candidates(Query(""), limit=2))) == 2
    assert len(list(FolderSource(tree / "more.zip").candidates(Query(""), limit=None))) == 1


def test_an_unreadable_folder_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "bad.zip").write_bytes(b"PK but not really")
    for path in (tmp_path / "missing", tmp_path / "bad.zip"):
        with pytest.raises(UnreadableFolder):
            list(FolderSource(path).candidates(Query(""), limit=None))
