"""Bing and Google: result pages through icrawler, and through an installed browser, against a loopback server."""

import json
from pathlib import Path

import pytest
from conftest import Loopback
from test_web_sources import asked, desk, of

from carharvest.errors import CarharvestError, EmptyResult
from carharvest.sources.base import Desk
from carharvest.sources.registry import make_source


def bing_page(*pictures: dict[str, str]) -> bytes:
    def anchor(about: dict[str, str]) -> str:
        text = json.dumps(about).replace("&", "&amp;").replace('"', "&quot;")
        return f'<div class="imgpt"><a class="iusc" m="{text}" href="/images/search?view=detailV2"></a></div>'

    return f"<div class='dgControl'>{''.join(map(anchor, pictures))}</div>".encode()


def test_bing_goes_through_icrawler_and_keeps_page_and_title(tmp_path: Path, loopback: Loopback) -> None:
    first = bing_page(
        {"murl": "https://cars.example/a.png?x=1&y=2", "purl": "https://cars.example/p", "t": "\ue000BMW\ue001 X5"},
        {"murl": "https://cars.example/b.jpg", "purl": "javascript:alert(1)", "t": "b"},
        {"murl": "file:///etc/passwd"},
    )
    loopback.answers["/images/async"] = lambda: (200, {}, first if asked(loopback)["first"] == "0" else b"<p>end</p>")
    found = of(make_source("bing", desk(tmp_path, loopback)))
    assert [c.url for c in found] == ["https://cars.example/a.png?x=1&y=2", "https://cars.example/b.jpg"]
    assert (found[0].page_url, found[0].title) == ("https://cars.example/p", "BMW X5")
    assert asked(loopback, 0)["q"] == "BMW car"
    assert len(loopback.asked) == 2


def test_result_pages_are_kept_for_a_day_too(tmp_path: Path, loopback: Loopback) -> None:
    page = bing_page({"murl": "https://cars.example/a.png"})
    loopback.answers["/images/async"] = lambda: (200, {}, page if asked(loopback)["first"] == "0" else b"<p>end</p>")
    at = desk(tmp_path, loopback)
    for _ in range(2):
        assert len(of(make_source("bing", at), limit=1)) == 1
    assert len(loopback.asked) == 1
    assert len(of(make_source("bing", Desk(at.settings, fresh=True)), limit=1)) == 1
    assert len(loopback.asked) == 2


def test_bing_without_pictures_is_an_error(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/images/async"] = lambda: (200, {}, b"<html>One last step: are you a person?</html>")
    with pytest.raises(EmptyResult) as raised:
        of(make_source("bing", desk(tmp_path, loopback)))
    assert "pages/bing-" in str(raised.value)


SHELL = b"<html><noscript>Please <a href='/httpservice/retry/enablejs'>enable JavaScript</a></noscript></html>"


def test_without_a_browser_google_s_shell_is_recognised(
    tmp_path: Path, loopback: Loopback, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("carharvest.sources.google.find_browser", lambda chosen: None)
    loopback.answers["/search"] = lambda: (200, {}, SHELL)
    with pytest.raises(EmptyResult) as raised:
        of(make_source("google", desk(tmp_path, loopback)))
    assert "JavaScript" in str(raised.value)
    assert "carharvest[browser]" in raised.value.hint
    assert "scrape bing" in raised.value.hint


# A page of Google's shape: a consent form first, pictures that only JavaScript writes, more when it is scrolled.
CONSENT = b"""<html><title>Before you continue</title><form action="/consent/save" method="get">
<button>Alle ablehnen</button></form></html>"""
FILLED = b"""<html><body style="height:3000px"><noscript>Please enable JavaScript</noscript><div id="more"></div>
<script>
const quote = String.fromCharCode(34), home = 'https:/' + '/cars.example/';
function text(t) { return quote + t + quote; }
function data(n) { return '[' + text(home + n + '.jpg?a\\\\u003d1') + ',1200,1800],null,{' + text('2003') + ':[null,' +
  [text('id'), text(home + 'page/' + n), text('BMW ' + n), text('x')].join(',') + ']}'; }
function put(text) { const s = document.createElement('script'); s.type = 'text/plain'; s.textContent = text;
  document.body.appendChild(s); }
put([0, 1, 2].map(data).join(','));
let next = 3;
addEventListener('scroll', () => { if (next > 8) return; const at = next; next += 3;
  fetch('/more?at=' + at).then(r => r.text()).then(grow => {
    document.getElementById('more').style.height = 2000 * at + 'px'; }); });
</script></body></html>"""


@pytest.fixture
def browser() -> Path:
    from carharvest.sources.browser import find_browser

    found = find_browser(None)
    if found is None:
        pytest.skip("needs Playwright and an installed Chromium or Chrome")
    return found


def test_a_browser_answers_the_consent_page_and_scrolls_for_more(
    tmp_path: Path, loopback: Loopback, browser: Path
) -> None:
    agreed: list[str] = []

    def search() -> tuple[int, dict[str, str], bytes]:
        return 200, {"Content-Type": "text/html; charset=utf-8"}, FILLED if agreed else CONSENT

    def save() -> tuple[int, dict[str, str], bytes]:
        agreed.append("rejected")
        return 302, {"Location": "/search?q=BMW"}, b""

    def more() -> tuple[int, dict[str, str], bytes]:
        at = int(asked(loopback)["at"])
        rows = [f'["https://cars.example/{n}.jpg",900,1600]' for n in range(at, at + 3)]
        return 200, {"Content-Type": "text/plain"}, ",".join(rows).encode()

    loopback.answers.update({"/search": search, "/consent/save": save, "/more": more})
    found = of(make_source("google", desk(tmp_path, loopback)), limit=9)
    assert agreed == ["rejected"]
    assert [c.url for c in found[:3]] == [f"https://cars.example/{n}.jpg?a=1" for n in range(3)]
    assert {c.url for c in found[3:]} == {f"https://cars.example/{n}.jpg" for n in range(3, 9)}
    assert (found[0].page_url, found[0].title) == ("https://cars.example/page/0", "BMW 0")
    assert not any("favicon" not in path and path.endswith((".jpg", ".png")) for path in loopback.asked)


def test_a_browser_that_is_not_there_is_named(tmp_path: Path, loopback: Loopback, browser: Path) -> None:
    at = desk(tmp_path, loopback)
    settings = at.settings.model_copy(
        update={"google": at.settings.google.model_copy(update={"browser": tmp_path / "no-such-browser"})}
    )
    with pytest.raises(CarharvestError, match="no browser at"):
        make_source("google", Desk(settings))
