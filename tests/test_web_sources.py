"""Every source of the web against a loopback server that answers in its documented shape."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
from conftest import Loopback

from carharvest.errors import (
    MissingKey,
    NoNetwork,
    QuotaSpent,
    SourceFailed,
    UnknownSource,
    WrongKey,
)
from carharvest.records import Candidate, Query, WebAddress
from carharvest.settings import Settings
from carharvest.sources.base import Desk, Source, licensed
from carharvest.sources.registry import configured_sources, make_source, source_names

BMW = Query("BMW car", "BMW")
KEY = "flickr-secret-123"


def desk(folder: Path, loopback: Loopback, **more: object) -> Desk:
    here = loopback.origin
    settings = Settings(
        workspace=folder,
        flickr={"url": f"{here}/rest"},
        openverse={"url": here, **more.pop("openverse", {})},
        commons={"url": f"{here}/w/api.php"},
        bing={"url": here, "delay_s": 0},
        google={"url": here, "delay_s": 0},
        pexels={"url": here},
        **more,
    )
    return Desk(settings, wait=lambda seconds, why: None)


def asked(loopback: Loopback, place: int = -1) -> dict[str, str]:
    return {name: values[0] for name, values in parse_qs(urlsplit(loopback.asked[place]).query).items()}


def of(source: Source, limit: int | None = None) -> list[Candidate]:
    return list(source.candidates(BMW, limit=limit))


# --- openverse -------------------------------------------------------------------------------------------------------


def openverse_page(number: int, pages: int) -> bytes:
    entry = {
        "id": f"id-{number}", "title": f"BMW {number}", "url": f"https://pictures.example/{number}.jpg",
        "creator": "Zoë", "creator_url": "https://pictures.example/zoe", "license": "by-sa", "license_version": "2.0",
        "license_url": "https://creativecommons.org/licenses/by-sa/2.0/", "source": "flickr",
        "foreign_landing_url": f"https://pictures.example/page/{number}",
    }  # fmt: skip
    return json.dumps(
        {"result_count": pages, "page_count": pages, "page_size": 20, "page": number, "results": [entry]}
    ).encode()


def test_openverse_pages_to_the_end_with_twenty_a_page(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/v1/images/"] = lambda: (200, {}, openverse_page(int(asked(loopback)["page"]), 3))
    found = of(make_source("openverse", desk(tmp_path, loopback)))
    assert [c.title for c in found] == ["BMW 1", "BMW 2", "BMW 3"]
    assert asked(loopback) == {"q": "BMW car", "page": "3", "page_size": "20"}
    assert found[0].license == "by-sa"
    assert found[0].license_url.endswith("/by-sa/2.0/")
    assert (found[0].author, found[0].page_url) == ("Zoë", "https://pictures.example/page/1")


def test_openverse_with_a_client_asks_with_its_token_and_for_more(tmp_path: Path, loopback: Loopback) -> None:
    seen: list[tuple[str, str]] = []
    loopback.heard = lambda method, path, headers, body: seen.append((headers.get("Authorization", ""), body.decode()))
    loopback.answers["/v1/auth_tokens/token/"] = lambda: (200, {}, b'{"access_token": "tok", "expires_in": 43200}')
    loopback.answers["/v1/images/"] = lambda: (200, {}, openverse_page(1, 1))
    client = {"client_id": "me", "client_secret": "very-secret"}
    source = make_source("openverse", desk(tmp_path, loopback, openverse=client))
    assert len(of(source)) == 1
    assert asked(loopback)["page_size"] == "100"
    assert "client_secret=very-secret" in seen[0][1]
    assert seen[1][0] == "Bearer tok"
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"very-secret" not in kept
    assert b"Bearer tok" not in kept
    loopback.answers["/v1/auth_tokens/token/"] = lambda: (401, {}, b"{}")
    with pytest.raises(WrongKey):
        of(make_source("openverse", desk(tmp_path / "other", loopback, openverse=client)))


def test_openverse_is_asked_once_a_second(tmp_path: Path, loopback: Loopback) -> None:
    naps: list[float] = []
    clock = [1000.0]

    def nap(seconds: float) -> None:
        naps.append(seconds)
        clock[0] += seconds

    source = make_source("openverse", desk(tmp_path, loopback))
    source.api.quota.nap, source.api.quota.now = nap, lambda: clock[0]
    loopback.answers["/v1/images/"] = lambda: (200, {}, openverse_page(int(asked(loopback)["page"]), 4))
    of(source)
    assert naps == [1.0, 1.0, 1.0]


# --- commons ---------------------------------------------------------------------------------------------------------


def commons_page(more: dict[str, object] | None, *pages: dict[str, object]) -> bytes:
    answer: dict[str, object] = {"batchcomplete": True, "query": {"pages": list(pages)}}
    return json.dumps({**answer, **({"continue": more} if more else {})}).encode()


def commons_file(index: int, **fields: str) -> dict[str, object]:
    meta = {name: {"value": value, "source": "commons-desc-page"} for name, value in fields.items()}
    info = {
        "url": f"https://upload.example/{index}.jpg", "thumburl": f"https://upload.example/1280px-{index}.jpg",
        "descriptionurl": f"https://commons.example/wiki/File:{index}.jpg", "mime": "image/jpeg", "user": "Uploader",
        "extmetadata": meta,
    }  # fmt: skip
    return {"pageid": index, "ns": 6, "title": f"File:BMW M{index} front.jpg", "index": index, "imageinfo": [info]}


def test_commons_follows_continue_and_keeps_licence_author_and_page(tmp_path: Path, loopback: Loopback) -> None:
    artist = '<a href="//commons.wikimedia.org/wiki/User:Zo%C3%AB" onclick="alert(1)">Zoë &amp; <b>Co</b></a>'
    first = commons_page(
        {"gsroffset": 50, "continue": "gsroffset||"},
        commons_file(2, License="cc-by-sa-4.0", LicenseShortName="CC BY-SA 4.0", Artist=artist),
        commons_file(1, LicenseShortName="Public domain", ImageDescription="<p>A BMW M1</p>"),
    )
    second = commons_page(None, commons_file(51, License="cc0"), {"title": "File:odd", "index": 52}, {})
    loopback.answers["/w/api.php"] = lambda: (200, {}, second if "gsroffset" in asked(loopback) else first)
    found = of(make_source("commons", desk(tmp_path, loopback)))
    assert [c.title for c in found] == ["BMW M1 front", "BMW M2 front", "BMW M51 front"]
    assert [c.license for c in found] == ["pdm", "by-sa", "cc0"]
    assert found[1].license_url == "https://creativecommons.org/licenses/by-sa/4.0/"
    assert found[1].author == "Zoë & Co"
    assert found[1].author_url == "https://commons.wikimedia.org/wiki/User:Zo%C3%AB"
    assert (found[0].author, found[0].alt) == ("Uploader", "A BMW M1")
    assert found[0].url == "https://upload.example/1280px-1.jpg"
    assert found[0].page_url == "https://commons.example/wiki/File:1.jpg"
    assert asked(loopback, 0)["gsrsearch"] == "BMW car filetype:bitmap"
    assert asked(loopback)["continue"] == "gsroffset||"


def test_commons_is_told_who_asks_and_how_to_reach_them(tmp_path: Path, loopback: Loopback) -> None:
    seen: list[str] = []
    loopback.heard = lambda method, path, headers, body: seen.append(headers["User-Agent"])
    loopback.answers["/w/api.php"] = lambda: (200, {}, b'{"batchcomplete": true}')
    assert of(make_source("commons", desk(tmp_path, loopback, contact="me@university.example"))) == []
    assert seen[0].startswith("carharvest/")
    assert "me@university.example" in seen[0]


# --- flickr ----------------------------------------------------------------------------------------------------------

FLICKR_LICENSES = {
    "licenses": {
        "license": [
            {"id": "0", "name": "All Rights Reserved", "url": ""},
            {"id": "4", "name": "CC BY 2.0", "url": "https://creativecommons.org/licenses/by/2.0/"},
            {"id": 12, "name": "CC BY-SA 4.0", "url": "https://creativecommons.org/licenses/by-sa/4.0/"},
        ]
    },
    "stat": "ok",
}


def flickr(loopback: Loopback, pages: int = 2) -> Callable[[], tuple[int, dict[str, str], bytes]]:
    def answer() -> tuple[int, dict[str, str], bytes]:
        call = asked(loopback)
        if call["api_key"] != KEY:
            return 200, {}, b'{"stat":"fail","code":100,"message":"Invalid API Key (Key has invalid format)"}'
        if call["method"] == "flickr.photos.licenses.getInfo":
            return 200, {}, json.dumps(FLICKR_LICENSES).encode()
        number = int(call["page"])
        photo = {
            "id": str(number), "owner": "7@N04", "title": f"BMW {number}", "license": "4", "ownername": "Zoë",
            "pathalias": "zoe", "url_l": f"https://live.example/{number}_b.jpg", "description": {"_content": "in red"},
        }  # fmt: skip
        small = {"id": "9", "owner": "8@N04", "title": "no size that we take", "license": "0"}
        page = {"page": number, "pages": pages, "perpage": 250, "total": 2, "photo": [photo, small, None]}
        return 200, {}, json.dumps({"photos": page, "stat": "ok"}).encode()

    return answer


def test_flickr_pages_to_the_end_with_licences_as_it_lists_them(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/rest"] = flickr(loopback)
    found = of(make_source("flickr", desk(tmp_path, loopback, flickr_api_key=KEY)))
    assert [c.title for c in found] == ["BMW 1", "BMW 2"]
    assert (found[0].license, found[0].license_url) == ("by", "https://creativecommons.org/licenses/by/2.0/")
    assert found[0].page_url == "https://www.flickr.com/photos/zoe/1/"
    assert (found[0].author, found[0].alt) == ("Zoë", "in red")


def test_flickr_is_asked_for_the_licences_that_are_wanted(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/rest"] = flickr(loopback)
    at = desk(tmp_path, loopback, flickr_api_key=KEY)
    of(make_source("flickr", Desk(at.settings, at.wait, licenses=frozenset({"by", "by-sa"}))))
    assert asked(loopback, 1)["license"] == "4,12"


def test_flickr_s_key_is_needed_and_is_kept_nowhere(tmp_path: Path, loopback: Loopback) -> None:
    with pytest.raises(MissingKey):
        make_source("flickr", desk(tmp_path, loopback))
    loopback.answers["/rest"] = flickr(loopback)
    assert of(make_source("flickr", desk(tmp_path, loopback, flickr_api_key=KEY)))
    kept = b"".join(file.read_bytes() for file in tmp_path.rglob("*") if file.is_file())
    assert b"text=BMW+car" in kept  # the answer is kept
    assert KEY.encode() not in kept  # the key is not


def test_a_refusal_of_flickr_is_named_and_not_kept(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/rest"] = flickr(loopback)
    with pytest.raises(WrongKey) as raised:
        of(make_source("flickr", desk(tmp_path, loopback, flickr_api_key="wrong-key-9")))
    assert "wrong-key-9" not in f"{raised.value} {raised.value.hint}"
    assert of(make_source("flickr", desk(tmp_path, loopback, flickr_api_key=KEY)))  # the same request, another key


# --- all of them -----------------------------------------------------------------------------------------------------


def test_answers_are_kept_for_a_day_and_cost_no_request(tmp_path: Path, loopback: Loopback) -> None:
    loopback.answers["/v1/images/"] = lambda: (200, {}, openverse_page(1, 1))
    for _ in range(3):
        assert len(of(make_source("openverse", desk(tmp_path, loopback)))) == 1
    assert len(loopback.asked) == 1
    assert len(json.loads((tmp_path / "quota" / "openverse.json").read_text())) == 1
    at = desk(tmp_path, loopback)
    assert len(of(make_source("openverse", Desk(at.settings, at.wait, fresh=True)))) == 1
    assert len(loopback.asked) == 2


def test_a_passing_fault_is_waited_out_once_the_source_has_answered(tmp_path: Path, loopback: Loopback) -> None:
    answers: Iterator[tuple[int, dict[str, str], bytes]] = iter(
        [(200, {}, openverse_page(1, 2)), (503, {}, b""), (502, {}, b""), (200, {}, openverse_page(2, 2))]
    )
    loopback.answers["/v1/images/"] = lambda: next(answers)
    source = make_source("openverse", desk(tmp_path, loopback))
    source.api.quota.nap = lambda seconds: None
    assert len(of(source)) == 2


@pytest.mark.parametrize("name", ["openverse", "commons", "flickr"])
@pytest.mark.parametrize(
    ("status", "body", "error"),
    [
        (500, b"oops", SourceFailed),
        (200, b"<html>", SourceFailed),
        (200, b"[]", SourceFailed),
        (200, b"{}", SourceFailed),
        (403, b"{}", WrongKey),
        (429, b"{}", QuotaSpent),
        (302, b"", SourceFailed),
    ],
)
def test_an_undocumented_answer_is_an_error_and_is_not_kept(
    tmp_path: Path, loopback: Loopback, name: str, status: int, body: bytes, error: type[Exception]
) -> None:
    for path in ("/v1/images/", "/w/api.php", "/rest"):
        loopback.answers[path] = lambda: (status, {"Location": "http://127.0.0.1:1/"}, body)
    at = desk(tmp_path, loopback, flickr_api_key=KEY)
    for count in (1, 2):
        with pytest.raises(error):
            of(make_source(name, Desk(at.settings, None)))
        assert len(loopback.asked) >= count


def test_no_network_is_named_for_each_source(tmp_path: Path) -> None:
    nowhere = Loopback("http://127.0.0.1:9", {})
    at = desk(tmp_path, nowhere, flickr_api_key=KEY, pexels_api_key="k")
    for name in ("openverse", "commons", "flickr", "bing", "pexels"):
        with pytest.raises(NoNetwork):
            of(make_source(name, at))


def test_sources_are_found_by_entry_point(tmp_path: Path, loopback: Loopback) -> None:
    assert {"bing", "commons", "flickr", "google", "openverse", "pexels"} <= set(source_names())
    ready, lacking = configured_sources(desk(tmp_path, loopback))
    assert {"bing", "commons", "openverse"} <= {source.name for source in ready}
    assert {"flickr", "pexels"} <= set(lacking)
    with pytest.raises(UnknownSource, match="no source 'nobody'"):
        make_source("nobody", desk(tmp_path, loopback))


def test_only_wanted_licences_pass() -> None:
    every = [Candidate("x", WebAddress(f"https://x/{id_}"), license=id_) for id_ in ("by", "cc0", "")]
    assert [c.license for c in licensed(every, frozenset({"cc0", ""}))] == ["cc0", ""]
    assert len(list(licensed(every, frozenset()))) == 3
