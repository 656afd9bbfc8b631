"""The Openverse API: openly licensed pictures of many collections. https://api.openverse.org/v1/

Without a client it answers one request a second, with pages of 20; a registered client gets more (their
documentation, "Authentication and throttling").
"""

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import requests

from carharvest.errors import NoNetwork, SourceFailed, WrongKey
from carharvest.licenses import license_id
from carharvest.records import Candidate, Query, WebAddress
from carharvest.sources.api import Api, text_of
from carharvest.sources.base import Desk, limited
from carharvest.sources.quota import Window

PER_PAGE_ANONYMOUS = 20
PER_PAGE = 100
ANONYMOUS = (Window(1, 1.0),)
REGISTERED = (Window(100, 60.0),)
_OURS = {"cc0": "cc0", "pdm": "pdm"}  # licences that Openverse knows by our ids, beside those that start with "by"
_TIMEOUT_S = (10, 30)


def make(desk: Desk) -> "OpenverseSource":
    """With OAuth2 where a client is set (`openverse.client_id` and `client_secret`), else anonymous."""
    settings = desk.settings.openverse
    client = None
    if settings.client_id and settings.client_secret:
        client = Client(settings.url, settings.client_id, settings.client_secret.get_secret_value())
    api = desk.api(
        "openverse",
        *(REGISTERED if client else ANONYMOUS),
        documented=lambda page: isinstance(page.get("results"), list),
        key_hint="check openverse.client_id and client_secret in carharvest.toml or the environment",
    )
    known = sorted(id_ for id_ in desk.licenses if id_ in _OURS or id_.startswith("by"))
    return OpenverseSource(
        api, settings.url, client, tuple(known), per_request=PER_PAGE if client else PER_PAGE_ANONYMOUS
    )


@dataclass
class Client:
    """A registered OAuth2 client; its tokens hold for some hours."""

    base_url: str
    id: str
    secret: str = field(repr=False)
    _token: str = field(default="", init=False, repr=False)
    _until: float = field(default=0.0, init=False)

    def headers(self) -> dict[str, str]:
        """The Authorization header. Raises WrongKey, NoNetwork or SourceFailed."""
        if time.monotonic() > self._until:
            self._renew()
        return {"Authorization": f"Bearer {self._token}"}

    def _renew(self) -> None:
        form = {"grant_type": "client_credentials", "client_id": self.id, "client_secret": self.secret}
        try:
            response = requests.post(
                f"{self.base_url}/v1/auth_tokens/token/", data=form, timeout=_TIMEOUT_S, allow_redirects=False
            )
        except requests.RequestException as error:
            raise NoNetwork(
                f"openverse cannot be reached ({type(error).__name__})", hint="check the network"
            ) from error
        if response.status_code in {400, 401, 403}:
            raise WrongKey(
                f"openverse refuses the client ({response.status_code})",
                hint="check openverse.client_id and client_secret; without them it answers more slowly",
            )
        try:
            answer = response.json()
            self._token = str(answer["access_token"])
            self._until = time.monotonic() + 0.9 * float(answer["expires_in"])
        except (requests.JSONDecodeError, KeyError, TypeError, ValueError) as error:
            raise SourceFailed("openverse gave no token", hint="try again later") from error


@dataclass
class OpenverseSource:
    """Searches Openverse."""

    api: Api
    base_url: str
    client: Client | None = None
    licenses: tuple[str, ...] = ()
    name: str = "openverse"
    per_request: int = PER_PAGE_ANONYMOUS

    def candidates(self, query: Query, *, limit: int | None) -> Iterator[Candidate]:
        """Pictures for the query, page by page. Raises WrongKey, QuotaSpent, NoNetwork or SourceFailed."""
        return limited(self._all(query), limit)

    def _all(self, query: Query) -> Iterator[Candidate]:
        number, pages = 1, 1
        while number <= pages:
            params: dict[str, str | int] = {"q": query.text, "page": number, "page_size": self.per_request}
            if self.licenses:
                params["license"] = ",".join(self.licenses)
            headers = self.client.headers() if self.client else {}
            page = self.api.page(f"{self.base_url}/v1/images/", params, headers)
            for entry in page["results"]:
                candidate = self._candidate(entry, query)
                if candidate is not None:
                    yield candidate
            pages = page["page_count"] if isinstance(page.get("page_count"), int) else 1
            number += 1

    def _candidate(self, entry: Any, query: Query) -> Candidate | None:
        if not isinstance(entry, Mapping) or not isinstance(entry.get("url"), str):
            return None
        address = text_of(entry, "license_url")
        return Candidate(
            source=self.name,
            place=WebAddress(entry["url"]),
            query=query.text,
            brand_asked=query.brand,
            view_asked=query.view,
            title=text_of(entry, "title"),
            author=text_of(entry, "creator"),
            author_url=text_of(entry, "creator_url"),
            license=license_id(text_of(entry, "license"), address),
            license_url=address,
            page_url=text_of(entry, "foreign_landing_url", 2000),
        )
