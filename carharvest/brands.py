"""Brands: reads brand_mapping.yaml and finds brands in any text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from carharvest.errors import BrokenMapping, UnknownBrand
from carharvest.text import to_ascii, words

Words = tuple[str, ...]

_FIELDS = {"name", "country", "group", "tier", "pair", "rare", "common_word", "context", "aliases"}
_TIERS = {"mainstream", "luxury", "commercial", "microcar"}
_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where there is one: ten times faster


@dataclass(frozen=True, slots=True)
class Brand:
    """One brand. `key` is the class name: ASCII capitals."""

    key: str
    name: str
    country: str
    group: str
    tier: str
    pair: str | None = None
    rare: bool = False
    common_word: bool = False
    context: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A brand found in a text, and the words that named it."""

    brand: str
    alias: str


@dataclass(frozen=True)
class BrandMapping:
    """All brands by key, and the words that stand for them."""

    brands: Mapping[str, Brand]
    path: Path
    _names: Mapping[Words, str] = field(repr=False)  # words of an alias -> brand key
    _contexts: Mapping[str, frozenset[Words]] = field(repr=False)  # brands whose bare word is not enough
    _longest: int = field(repr=False)

    def find(self, text: str) -> list[Match]:
        """The brands that a free text names, each once, in order of their first mention.

        At each place the longest alias wins ("Land Rover" is no "Rover"). A brand whose bare name is a
        common word counts only with one of its context words elsewhere in the text.
        """
        tokens = words(text)
        found: dict[str, Match] = {}
        for start, end, key in self._spans(tokens):
            alias = tuple(tokens[start:end])
            if self._is_bare(key, alias) and not self._has_context(key, tokens[:start], tokens[end:]):
                continue
            found.setdefault(key, Match(key, " ".join(alias)))
        return list(found.values())

    def exactly(self, text: str) -> Match | None:
        """The brand that the whole text is a name of (a folder's name, say), or None."""
        tokens = tuple(words(text))
        key = self._names.get(tokens)
        return Match(key, " ".join(tokens)) if key else None

    def resolve(self, name: str) -> Brand:
        """The brand for what a person typed after --brand. Raises UnknownBrand with the closest names."""
        match = self.exactly(name)
        if match:
            return self.brands[match.brand]
        from rapidfuzz import fuzz, process

        wanted = " ".join(words(name)) or to_ascii(name).lower()
        near = process.extract(
            wanted, [" ".join(alias) for alias in self._names], scorer=fuzz.ratio, limit=8, score_cutoff=55
        )
        keys = list(dict.fromkeys(self._names[tuple(alias.split())] for alias, _, _ in near))[:3]
        raise UnknownBrand(
            f"no brand is called {name!r}",
            hint=f"did you mean {', '.join(keys)}?" if keys else "carharvest brands lists all of them",
        )

    def alias_count(self) -> int:
        """How many different words or word sequences name a brand."""
        return len(self._names)

    def _spans(self, tokens: list[str]) -> Iterator[tuple[int, int, str]]:
        start = 0
        while start < len(tokens):
            for end in range(min(len(tokens), start + self._longest), start, -1):
                key = self._names.get(tuple(tokens[start:end]))
                if key is not None:
                    yield start, end, key
                    start = end
                    break
            else:
                start += 1

    def _is_bare(self, key: str, alias: Words) -> bool:
        return key in self._contexts and len(alias) <= len(words(key))

    def _has_context(self, key: str, before: list[str], after: list[str]) -> bool:
        contexts = self._contexts[key]
        longest = max((len(context) for context in contexts), default=0)
        return any(
            tuple(side[i : i + n]) in contexts
            for side in (before, after)
            for i in range(len(side))
            for n in range(1, longest + 1)
        )


def load_brands(path: Path | None = None) -> BrandMapping:
    """The mapping in `path`, or the one that comes with carharvest.

    Raises BrokenMapping with line and column of what is wrong.
    """
    path = path or bundled_mapping()
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise BrokenMapping(f"{path} cannot be read: {error}", hint="name a readable UTF-8 file") from None
    try:
        root = yaml.compose(text, Loader=_Loader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        where = f"{path}:{mark.line + 1}:{mark.column + 1}" if mark else str(path)
        raise BrokenMapping(f"{where}: {error.problem or error.context}", hint="mend the YAML there") from None
    except yaml.YAMLError as error:
        raise BrokenMapping(f"{path}: {error}", hint="mend the YAML") from None
    return _MappingReader(path).read(root)


def bundled_mapping() -> Path:
    """brand_mapping.yaml inside the installed package, or at the top of the checkout."""
    inside = Path(__file__).parent / "brand_mapping.yaml"
    return inside if inside.exists() else Path(__file__).parent.parent / "brand_mapping.yaml"


class _MappingReader:
    """Turns YAML nodes into brands; keeps the place of each node for the error messages."""

    def __init__(self, path: Path) -> None:
        self._path = path
        self._names: dict[Words, str] = {}
        self._places: dict[Words, yaml.Node] = {}

    def read(self, root: yaml.Node | None) -> BrandMapping:
        if root is None:
            raise BrokenMapping(f"{self._path} is empty", hint="it needs a mapping with `brands:`")
        top = self._mapping(root, "the file")
        if "brands" not in top:
            raise self._broken(root, "there is no `brands:`")
        brands: dict[str, Brand] = {}
        contexts: dict[str, frozenset[Words]] = {}
        nodes = self._mapping(top["brands"], "`brands`")
        for key, node in nodes.items():
            brand = self._brand(key, node)
            brands[key] = brand
            if brand.common_word:
                contexts[key] = frozenset(tuple(words(word)) for word in brand.context)
        for key, brand in brands.items():
            if brand.pair is not None and brand.pair not in brands:
                raise self._broken(nodes[key], f"the pair of {key}, {brand.pair!r}, is no brand")
        self._add_joined()
        longest = max((len(alias) for alias in self._names), default=0)
        return BrandMapping(brands, self._path, self._names, contexts, longest)

    def _brand(self, key: str, node: yaml.Node) -> Brand:
        fields = self._mapping(node, key)
        for name, value in fields.items():
            if name not in _FIELDS:
                raise self._broken(value, f"{key} has an unknown field {name!r}")
        for name in ("name", "country", "group", "tier"):
            if name not in fields:
                raise self._broken(node, f"{key} has no {name!r}")
        tier = self._text(fields["tier"], f"tier of {key}")
        if tier not in _TIERS:
            raise self._broken(fields["tier"], f"tier of {key} is none of {', '.join(sorted(_TIERS))}")
        name = self._text(fields["name"], f"name of {key}")
        self._add_alias(key, key, node)
        self._add_alias(key, name, fields["name"])
        return Brand(
            key=key,
            name=name,
            country=self._text(fields["country"], f"country of {key}"),
            group=self._text(fields["group"], f"group of {key}"),
            tier=tier,
            pair=self._text(fields["pair"], f"pair of {key}") if "pair" in fields else None,
            rare=self._flag(fields.get("rare"), f"rare of {key}"),
            common_word=self._flag(fields.get("common_word"), f"common_word of {key}"),
            context=tuple(text for text, _ in self._texts(fields.get("context"), f"context of {key}")),
            aliases=tuple(
                self._add_alias(key, text, at) for text, at in self._texts(fields.get("aliases"), f"aliases of {key}")
            ),
        )

    def _add_alias(self, key: str, text: str, node: yaml.Node) -> str:
        alias = tuple(words(text))
        if not alias:
            raise self._broken(node, f"the alias {text!r} of {key} has no letter or digit")
        other = self._names.setdefault(alias, key)
        if other != key:
            first = self._places[alias].start_mark.line + 1
            raise self._broken(node, f"the alias {text!r} of {key} stands for {other} already (line {first})")
        self._places.setdefault(alias, node)
        return text

    def _add_joined(self) -> None:
        """ "astonmartin" for "aston martin", where no other brand has that word."""
        for alias, key in list(self._names.items()):
            if len(alias) > 1 and all(word.isalpha() and len(word) > 1 for word in alias):
                self._names.setdefault(("".join(alias),), key)

    def _mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        if not isinstance(node, yaml.MappingNode):
            raise self._broken(node, f"{what} has to be a mapping")
        result: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self._text(key_node, f"a key of {what}")
            if key in result:
                raise self._broken(key_node, f"{key!r} stands twice in {what}")
            result[key] = value
        return result

    def _texts(self, node: yaml.Node | None, what: str) -> list[tuple[str, yaml.Node]]:
        if node is None:
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self._broken(node, f"{what} has to be a list")
        return [(self._text(item, f"an entry of {what}"), item) for item in node.value]

    def _text(self, node: yaml.Node, what: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self._broken(node, f"{what} has to be a text")
        return str(node.value)

    def _flag(self, node: yaml.Node | None, what: str) -> bool:
        if node is None:
            return False
        if not isinstance(node, yaml.ScalarNode) or node.value not in {"true", "false"}:
            raise self._broken(node, f"{what} has to be true or false")
        return bool(node.value == "true")

    def _broken(self, node: yaml.Node, problem: str) -> BrokenMapping:
        mark = node.start_mark
        return BrokenMapping(f"{self._path}:{mark.line + 1}:{mark.column + 1}: {problem}", hint="mend that line")
