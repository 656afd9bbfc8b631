"""One vocabulary of licences for all sources: short ids in the style of SPDX, without versions."""

import re
from collections.abc import Iterable
from dataclasses import dataclass

from carharvest.errors import BadSettings


@dataclass(frozen=True, slots=True)
class License:
    """A licence by its id. `url` is "" where there is none that holds for all sources."""

    id: str
    name: str
    url: str
    needs_credit: bool


_CC = "https://creativecommons.org/"
LICENSES = {
    license_.id: license_
    for license_ in (
        License("cc0", "CC0", f"{_CC}publicdomain/zero/1.0/", needs_credit=False),
        License("pdm", "Public Domain", f"{_CC}publicdomain/mark/1.0/", needs_credit=False),
        License("by", "CC BY", f"{_CC}licenses/by/4.0/", needs_credit=True),
        License("by-sa", "CC BY-SA", f"{_CC}licenses/by-sa/4.0/", needs_credit=True),
        License("by-nd", "CC BY-ND", f"{_CC}licenses/by-nd/4.0/", needs_credit=True),
        License("by-nc", "CC BY-NC", f"{_CC}licenses/by-nc/4.0/", needs_credit=True),
        License("by-nc-sa", "CC BY-NC-SA", f"{_CC}licenses/by-nc-sa/4.0/", needs_credit=True),
        License("by-nc-nd", "CC BY-NC-ND", f"{_CC}licenses/by-nc-nd/4.0/", needs_credit=True),
        License("pexels", "Pexels License", "https://www.pexels.com/license/", needs_credit=False),
        License("gfdl", "GNU FDL", "https://www.gnu.org/licenses/fdl-1.3.html", needs_credit=True),
        License("fal", "Free Art License", "https://artlibre.org/licence/lal/en/", needs_credit=True),
        License("us-gov", "United States government work", "https://www.usa.gov/government-works", needs_credit=False),
        License("no-known-copyright", "No known copyright restrictions", "", needs_credit=False),
        License("all-rights-reserved", "All rights reserved", "", needs_credit=True),
    )
}
UNKNOWN = ""  # nothing is said of the licence, or nothing that we understand

_CC_KIND = re.compile(r"\b(?:cc|licenses|creative ?commons)\W*(by(?:[ -](?:nc|nd|sa))*)(?![a-z])")
_CC_LONG = (("by", "attribution"), ("nc", "noncommercial"), ("nd", "noderiv"), ("sa", "sharealike"))
_VERSION = re.compile(r"(?<!\d)([1-4]\.\d)(?!\d)")
_WORDS = (
    ("cc0", re.compile(r"\bcc[ -]?0|\bcc[ -]zero|publicdomain/zero|zero public domain")),
    ("pdm", re.compile(r"\bpdm\b|publicdomain/mark|public[ -]?domain|\bpd[ -](old|self|user|author)|^pd$")),
    ("gfdl", re.compile(r"\bgfdl|gnu free documentation|gnu fdl|licenses/fdl")),
    ("fal", re.compile(r"\bfal\b|free art licen[cs]e|artlibre")),
    ("pexels", re.compile(r"pexels")),
    ("us-gov", re.compile(r"united states government|usa\.gov|\bpd[ -]?us ?gov")),
    ("no-known-copyright", re.compile(r"no known copyright|commons/usage")),
    ("all-rights-reserved", re.compile(r"all[ -]rights[ -]reserved|©|\bcopyrighted\b")),
)


def license_id(*texts: str) -> str:
    """The id of the licence that the texts name (an id, a name in any usual spelling, or a URL); "" if none does.

    The first text that names one counts: give the surest first.
    """
    for text in texts:
        found = _id_in(text)
        if found:
            return found
    return UNKNOWN


def license_url(id_: str, *texts: str) -> str:
    """Where the licence stands: of the version that the texts name, or the usual one."""
    license_ = LICENSES.get(id_)
    if license_ is None:
        return ""
    if id_.startswith("by"):
        for text in texts:
            version = _VERSION.search(text)
            if version:
                return f"{_CC}licenses/{id_}/{version[1]}/"
    return license_.url


def allowed_licenses(names: Iterable[str]) -> frozenset[str]:
    """The ids that a person named, by any spelling. Raises BadSettings for one that is none."""
    found = set()
    for name in names:
        id_ = "" if name.lower() == "unknown" else license_id(name)
        if not id_ and name.lower() != "unknown":
            raise BadSettings(f"{name!r} is no licence", hint=f"licences are: {', '.join(LICENSES)}, unknown")
        found.add(id_)
    return frozenset(found)


def _id_in(text: str) -> str:
    plain = " ".join(text.lower().replace("_", "-").split())
    if plain in LICENSES:
        return plain
    kind = _CC_KIND.search(plain) or re.fullmatch(r"(by(?:[ -](?:nc|nd|sa))*)(?:[ -]\d\.\d)?", plain)
    if kind:
        return _in_order(kind[1])
    for id_, words in _WORDS:
        if words.search(plain):
            return id_
    letters = re.sub(r"[ -]", "", plain)
    return _in_order("-".join(short for short, long in _CC_LONG if long in letters))


def _in_order(kind: str) -> str:
    words = kind.replace(" ", "-").split("-")
    id_ = "-".join(word for word in ("by", "nc", "nd", "sa") if word in words)
    return id_ if id_ in LICENSES else UNKNOWN
