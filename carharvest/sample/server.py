"""Serves the sample gallery on loopback in the shape of the Pexels API, version 1."""

import json
import re
import threading
import time
from collections.abc import Mapping, Sequence
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any
from urllib.parse import parse_qs, urlencode, urlsplit

from carharvest.records import VIEW_WORDS
from carharvest.sample.gallery import Item, item_bytes
from carharvest.text import to_ascii

SAMPLE_KEY = "sample"  # any other key is refused, as Pexels refuses a wrong one
_MAX_PER_PAGE = 80
_MONTH_LIMIT = 20_000
_SHOWN = re.compile(r"/v1/photos/(\d+)")
_PHOTO = re.compile(r"/photos/(\d+)/[a-z0-9-]*\.jpeg")


class SampleGallery:
    """A server on 127.0.0.1, for use in a `with`; on `port` if that is free, else on any. `origin` is its address."""

    def __init__(self, items: Sequence[Item], port: int = 0) -> None:
        self.items = items
        self.requests = 0
        try:
            self._server = ThreadingHTTPServer(("127.0.0.1", port), _handler_for(self))
        except OSError:
            self._server = ThreadingHTTPServer(("127.0.0.1", 0), _handler_for(self))
        self._server.daemon_threads = True
        self._thread = threading.Thread(
            target=self._server.serve_forever, args=(0.05,), name="sample-gallery", daemon=True
        )

    @property
    def port(self) -> int:
        return int(self._server.server_address[1])

    @property
    def origin(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def __enter__(self) -> "SampleGallery":
        self._thread.start()
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._server.shutdown()
        self._server.server_close()
        self._thread.join()

    def search(self, text: str) -> list[Item]:
        """Photos that a search for the text brings: those of the brand in it, from the view in it if it names one."""
        words = to_ascii(text).lower()
        brands = {item.found_under for item in self.items if _named(item, words)}
        views = [view for view, asked in VIEW_WORDS.items() if re.search(rf"\b{asked}\b", words)]
        views.sort(key=lambda view: len(VIEW_WORDS[view]))  # "front left" names the view "front" too
        wanted = views[-1] if views else None
        return [i for i in self.items if i.found_under in brands and (wanted is None or i.view in (wanted, None))]


def _named(item: Item, words: str) -> bool:
    names = {item.found_under, item.make.name if item.make.key == item.found_under else item.found_under}
    return any(to_ascii(name).lower() in words for name in names)


def _photo_json(item: Item, origin: str) -> dict[str, Any]:
    slug = re.sub(r"[^a-z0-9]+", "-", to_ascii(item.alt).lower()).strip("-") or "photo"
    address = f"{origin}/photos/{item.id}/{slug}.jpeg"
    width, height = item.scene.size
    author = re.sub(r"[^a-z0-9]+", "-", to_ascii(item.author).lower())
    return {
        "id": item.id,
        "width": width,
        "height": height,
        "url": f"{origin}/photo/{slug}-{item.id}/",
        "photographer": item.author,
        "photographer_url": f"{origin}/@{author}",
        "photographer_id": sum(item.author.encode()),
        "avg_color": "#7A7B7C",
        "src": {
            "original": address,
            "large2x": f"{address}?auto=compress&cs=tinysrgb&dpr=2&h=650&w=940",
            "large": f"{address}?auto=compress&cs=tinysrgb&h=650&w=940",
            "medium": f"{address}?auto=compress&cs=tinysrgb&h=350",
            "small": f"{address}?auto=compress&cs=tinysrgb&h=130",
            "portrait": f"{address}?auto=compress&cs=tinysrgb&fit=crop&h=1200&w=800",
            "landscape": f"{address}?auto=compress&cs=tinysrgb&fit=crop&h=627&w=1200",
            "tiny": f"{address}?auto=compress&cs=tinysrgb&dpr=1&fit=crop&h=200&w=280",
        },
        "liked": False,
        "alt": item.alt,
    }


def _number(fields: Mapping[str, list[str]], name: str, default: int) -> int:
    text = fields.get(name, [""])[0]
    return int(text) if text.isdecimal() and len(text) < 9 else default


def _handler_for(gallery: SampleGallery) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            parts = urlsplit(self.path)
            path = re.sub(r"/{2,}", "/", parts.path)
            photo = _PHOTO.fullmatch(path)
            if photo and int(photo[1]) < len(gallery.items):
                self._send(200, item_bytes(gallery.items, gallery.items[int(photo[1])]), "image/jpeg")
            elif path == "/v1/search":
                self._search(parse_qs(parts.query))
            elif path == "/v1/curated" and self._has_key():
                self._page("curated", {}, parse_qs(parts.query), gallery.items)
            elif (shown := _SHOWN.fullmatch(path)) and int(shown[1]) < len(gallery.items) and self._has_key():
                self._json(200, _photo_json(gallery.items[int(shown[1])], gallery.origin))
            else:
                self._json(404, {"status": 404, "code": "Not Found"})

        def _search(self, fields: Mapping[str, list[str]]) -> None:
            if not self._has_key():
                return
            text = fields.get("query", [""])[0]
            if not text:
                self._json(400, {"status": 400, "code": "Bad Request"})
                return
            self._page("search", {"query": text}, fields, gallery.search(text))

        def _has_key(self) -> bool:
            if self.headers.get("Authorization") == SAMPLE_KEY:
                return True
            self._json(401, {"error": "Please provide a valid API key."})
            return False

        def _page(
            self, what: str, asked: Mapping[str, str], fields: Mapping[str, list[str]], found: Sequence[Item]
        ) -> None:
            gallery.requests += 1
            page = max(1, _number(fields, "page", 1))
            per_page = min(_MAX_PER_PAGE, max(1, _number(fields, "per_page", 15)))
            shown = found[(page - 1) * per_page : page * per_page]
            answer: dict[str, Any] = {
                "page": page,
                "per_page": per_page,
                "photos": [_photo_json(i, gallery.origin) for i in shown],
                "total_results": len(found),
            }

            def address(number: int) -> str:
                return f"{gallery.origin}/v1/{what}?{urlencode({'page': number, 'per_page': per_page, **asked})}"

            if page * per_page < len(found):
                answer["next_page"] = address(page + 1)
            if page > 1:
                answer["prev_page"] = address(page - 1)
            self._json(200, answer)

        def _json(self, status: int, answer: Mapping[str, Any]) -> None:
            self._send(status, json.dumps(answer).encode(), "application/json; charset=utf-8")

        def _send(self, status: int, body: bytes, content_type: str) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            if content_type.startswith("application/json") and status == 200:
                self.send_header("X-Ratelimit-Limit", str(_MONTH_LIMIT))
                self.send_header("X-Ratelimit-Remaining", str(_MONTH_LIMIT - gallery.requests))
                self.send_header("X-Ratelimit-Reset", str(int(time.time()) + 30 * 24 * 3600))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            return None

    return Handler
