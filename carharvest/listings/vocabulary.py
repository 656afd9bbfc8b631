"""The words of car listings: names of columns and of values, in eight languages and more."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

import yaml

from carharvest.text import words
from carharvest.yamlfile import YamlFile

Words = tuple[str, ...]

BUNDLED = Path(__file__).parent / "vocabulary.yaml"
IGNORED = "ignored"
VALUE_FIELDS = ("fuel", "transmission", "body", "colour", "seller")
_LONGEST = 5  # words of an entry
_SHORTEST_PART = 3  # letters of a word that counts inside a cell, not only as all of it
_CAMEL = re.compile(r"(?<=[a-z]{2})(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])")  # "kW" is one word
# What people write where they have nothing to say.
NOTHING = frozenset(
    ["", "n/a", "na", "nan", "none", "null", "-", "--", "?", "unknown", "k.a.", "k. a.", "keine angabe", "n.c.", "brak"]
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Named:
    """A column's name understood: which field (or `ignored`), in which language, how sure (0 to 1), by which words."""

    field: str
    language: str
    sure: float
    by: str


@dataclass(frozen=True)
class Vocabulary:
    """Names of columns and values, by their words."""

    columns: Mapping[str, Mapping[Words, str]]  # field -> words -> language
    kinds: Mapping[str, Mapping[Words, str]]  # field -> words -> kind
    order: Mapping[str, Sequence[str]]  # field -> kinds, the strongest first
    signs: Mapping[
        str, Sequence[tuple[Words, str, str]]
    ]  # first word -> (words, field, kind) that count inside a title
    ad_words: frozenset[str]

    def column(self, name: str, units: frozenset[str]) -> Named | None:
        """What a column of that name holds; `units` are words that only name a unit or a currency."""
        tokens = name_words(name)
        bare = tuple(word for word in tokens if word not in units)
        unnumbered = tuple(word for word in tokens if not word.isdecimal())
        for form, sure in ((tokens, 1.0), (bare, 0.95), (unnumbered, 0.9)):
            for field, known in self.columns.items():
                if form and form in known:
                    return Named(field, known[form], sure, " ".join(form))
        parts = [
            (len("".join(form)), field, language, form)
            for field, known in self.columns.items()
            for form, language in known.items()
            if len("".join(form)) > _SHORTEST_PART and _stands_in(form, tokens)
        ]
        if not parts:
            return None
        _, field, language, form = max(parts, key=lambda part: part[0])
        return Named(field, language, 0.6, " ".join(form))

    def kind(self, field: str, cell: str) -> str:
        """The kind that a cell names, or "". Electric and a fuel together are a hybrid."""
        tokens = tuple(words(cell))
        known = self.kinds[field]
        if tokens in known:
            return known[tokens]
        found = set(_longest_parts(tokens, known))
        if "electric" in found and found & {"petrol", "diesel"}:
            return "hybrid"
        return self.strongest(field, found)

    def signs_in(self, tokens: Sequence[str]) -> Mapping[str, set[str]]:
        """The fuels, gearboxes and bodies that the words of a title tell, by field."""
        found: dict[str, set[str]] = {}
        for start, token in enumerate(tokens):
            for form, field, kind in self.signs.get(token, ()):
                if len(form) == 1 or tuple(tokens[start : start + len(form)]) == form:
                    found.setdefault(field, set()).add(kind)
        return found

    def strongest(self, field: str, kinds: set[str]) -> str:
        """Of several kinds that a text names, the one that comes first; "" of none."""
        return next((kind for kind in self.order[field] if kind in kinds), "")


def name_words(name: str) -> Words:
    """The words of a column's name: "yearOfRegistration" and "year_of_registration" are the same."""
    return tuple(words(_CAMEL.sub(" ", name)))


def is_nothing(cell: str) -> bool:
    """Whether a cell says that there is nothing to say."""
    return cell.strip().lower() in NOTHING


def _stands_in(form: Words, tokens: Words) -> bool:
    return any(tokens[i : i + len(form)] == form for i in range(len(tokens) - len(form) + 1))


def _longest_parts(tokens: Words, known: Mapping[Words, str]) -> Iterator[str]:
    start = 0
    while start < len(tokens):
        for end in range(min(len(tokens), start + _LONGEST), start, -1):
            part = tokens[start:end]
            if part in known and len("".join(part)) >= _SHORTEST_PART:
                yield known[part]
                start = end
                break
        else:
            start += 1


@lru_cache(maxsize=4)
def load_vocabulary(extra: Path | None = None) -> Vocabulary:
    """The words that come with carharvest, and those that a file of the same shape adds to them.

    Raises BrokenMapping with line and column of what is wrong.
    """
    columns: dict[str, dict[Words, str]] = {}
    kinds: dict[str, dict[Words, str]] = {field: {} for field in VALUE_FIELDS}
    order: dict[str, list[str]] = {field: [] for field in VALUE_FIELDS}
    engines: dict[Words, str] = {}
    signs: dict[str, list[tuple[Words, str, str]]] = {}
    ad_words: set[str] = set()
    for path in [extra, BUNDLED] if extra else [BUNDLED]:  # the first word counts: a person's own
        file = YamlFile(path)
        root = file.root()
        top = file.mapping(root, "the file") if root is not None else {}
        named = file.mapping(top["columns"], "`columns`") if "columns" in top else {}
        for field, node in [*named.items(), *([(IGNORED, top[IGNORED])] if IGNORED in top else [])]:
            for form, language in _by_language(file, node, field):
                columns.setdefault(field, {}).setdefault(form, language)
        for field in VALUE_FIELDS:
            for kind, node in (file.mapping(top[field], field) if field in top else {}).items():
                order[field] += [kind] if kind not in order[field] else []
                kinds[field].setdefault(tuple(words(kind)), kind)
                for form, _ in _by_language(file, node, kind):
                    kinds[field].setdefault(form, kind)
        for kind, node in (file.mapping(top["engines"], "`engines`") if "engines" in top else {}).items():
            for text, _ in file.texts(node, kind):
                engines.setdefault(tuple(words(text)), kind)
        for text, _ in file.texts(top.get("ad_words"), "`ad_words`"):
            ad_words.update(words(text))
    telling = [("fuel", engines), *((field, kinds[field]) for field in ("transmission", "body"))]
    for field, known in telling:
        for form, kind in known.items():
            if kind != "other" and len("".join(form)) > 1:
                signs.setdefault(form[0], []).append((form, field, kind))
    return Vocabulary(columns, kinds, order, signs, frozenset(ad_words))


def _by_language(file: YamlFile, node: yaml.Node, what: str) -> Iterator[tuple[Words, str]]:
    for language, entries in file.mapping(node, what).items():
        for text, _ in file.texts(entries, f"{language} of {what}"):
            yield name_words(text), language
