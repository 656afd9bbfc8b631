"""Renders result pages in an installed Chromium or Chrome, through Playwright, which downloads no browser here."""

import os
import shutil
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import requests

from carharvest.errors import NoNetwork, NotFound, SourceFailed
from carharvest.sources.pages import page_response

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page, Playwright, Response, Route

_NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome", "msedge")
_PLACES = (
    "/Applications/Google Chrome.app/Contents/MacOS/Google Chrome",
    "/Applications/Chromium.app/Contents/MacOS/Chromium",
    "C:/Program Files/Google/Chrome/Application/chrome.exe",
)
_NOT_NEEDED = {"image", "media", "font"}
_TELLING = {"xhr", "fetch"}  # what a page loads later, when it is scrolled
# "Reject all" comes first. The ids are those of Google's banner; the forms those of consent.google.com in any language.
_CONSENT = (
    "#W0wltc",
    "form[action*='consent'] button",
    "form[action*='/save'] button",
    "button[aria-label*='Reject']",
    "#L2AGLb",
)
_LOAD_MS = 30_000
_SETTLE_MS = 600
_MOST_SCROLLS = 30
_MOST_BYTES = 30_000_000  # of what a page loads later


def find_browser(chosen: Path | None) -> Path | None:
    """The browser to use: the one that is set, or one on PATH; None if Playwright or a browser is missing.

    Raises NotFound if the one that is set is not there.
    """
    try:
        import playwright  # noqa: F401 - only whether it is there
    except ImportError:
        return None
    if chosen is not None:
        if not chosen.is_file():
            raise NotFound(f"there is no browser at {chosen}", hint="mend google.browser, or leave it out")
        return chosen
    found = next((path for name in _NAMES if (path := shutil.which(name))), None)
    found = found or next((place for place in _PLACES if Path(place).is_file()), None)
    return Path(found) if found else None


class BrowserPages:
    """A reader of result pages for use in a `with`, in one thread; takes the place of icrawler's session.

    It answers the consent page, and scrolls until `count` of the page is `wanted` or nothing more comes.
    """

    def __init__(self, browser: Path, home: str, origin: str, wanted: int, count: Callable[[str], int]) -> None:
        self._path = browser
        self._home = home
        self._origin = origin
        self._wanted = wanted
        self._count = count
        self._playwright: Playwright
        self._browser: Browser

    def __enter__(self) -> "BrowserPages":
        from playwright.sync_api import Error, sync_playwright

        self._playwright = sync_playwright().start()
        is_root = hasattr(os, "geteuid") and os.geteuid() == 0  # Chromium's sandbox refuses to work for root
        try:
            self._browser = self._playwright.chromium.launch(
                executable_path=self._path, headless=True, chromium_sandbox=not is_root
            )
        except Error as error:
            self._playwright.stop()
            raise SourceFailed(
                f"the browser {self._path} does not start: {error.message.splitlines()[0]}",
                hint="set another one with google.browser, or try: carharvest scrape bing",
            ) from error
        return self

    def __exit__(
        self, _type: type[BaseException] | None, _value: BaseException | None, _trace: TracebackType | None
    ) -> None:
        self._browser.close()
        self._playwright.stop()

    def get(self, url: str, **_: Any) -> requests.Response:
        """The page as it is once JavaScript has filled it, with what it loaded while it was scrolled."""
        from playwright.sync_api import Error

        context = self._browser.new_context(locale="en-US", viewport={"width": 1280, "height": 1600})
        try:
            page = context.new_page()
            page.route("**/*", _only_what_is_needed)
            later: list[str] = []
            page.on("response", lambda response: _keep(response, later))
            answer = page.goto(
                url.replace(self._home, self._origin, 1), wait_until="domcontentloaded", timeout=_LOAD_MS
            )
            self._answer_consent(page)
            content = self._scrolled(page, later)
            return page_response(answer.status if answer else 200, content.encode(), page.url)
        except Error as error:
            what = error.message.splitlines()[0]
            if "ERR_" in what or "Timeout" in what:
                raise NoNetwork(f"the browser cannot reach the page ({what})", hint="check the network") from error
            raise SourceFailed(f"the browser gave up ({what})", hint="try again, or scrape bing") from error
        finally:
            context.close()

    def _answer_consent(self, page: "Page") -> None:
        for selector in _CONSENT:
            button = page.locator(selector).first
            if button.count() and button.is_visible():
                button.click(timeout=_LOAD_MS)
                page.wait_for_load_state("domcontentloaded", timeout=_LOAD_MS)
                return

    def _scrolled(self, page: "Page", later: list[str]) -> str:
        page.wait_for_timeout(_SETTLE_MS)
        content, idle = "", 0
        for _ in range(_MOST_SCROLLS):
            before = len(content)
            content = "\n".join([page.content(), *later])
            if self._count(content) >= self._wanted:
                break
            idle = idle + 1 if len(content) <= before else 0
            if idle == 2:
                break
            page.evaluate("window.scrollTo(0, document.documentElement.scrollHeight)")
            page.wait_for_timeout(_SETTLE_MS)
        return content


def _only_what_is_needed(route: "Route") -> None:
    if route.request.resource_type in _NOT_NEEDED:
        route.abort()
    else:
        route.continue_()


def _keep(response: "Response", later: list[str]) -> None:
    from playwright.sync_api import Error

    if response.request.resource_type in _TELLING and sum(map(len, later)) < _MOST_BYTES:
        try:
            later.append(response.text())
        except (Error, UnicodeDecodeError):
            return  # gone with its page, or no text
