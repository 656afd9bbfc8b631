"""Brands: reads brand_mapping.yaml and finds brands in any text."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from carharvest.errors import BrokenMapping, UnknownBrand
from carharvest.text import to_ascii, words
from carharvest.yamlfile import YamlFile

Words = tuple[str, ...]

_FIELDS = {"name", "country", "group", "tier", "pair", "rare", "common_word", "context", "aliases", "models"}
_TIERS = {"mainstream", "luxury", "commercial", "microcar"}


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
    models: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Match:
    """A brand found in a text, and the words that named it: an alias, or a model that only this brand makes."""

    brand: str
    alias: str
    by_model: bool = False


@dataclass(frozen=True, slots=True)
class Mention:
    """A place in a text where a brand may be named, and what became of it."""

    words: str
    brand: str  # empty: the words are known to stand for no car
    verdict: str


@dataclass(frozen=True, slots=True)
class Problem:
    """Something doubtful in a mapping: `repeated`, `ambiguous` or `unreachable`."""

    line: int
    column: int
    kind: str
    text: str


@dataclass(frozen=True)
class BrandMapping:
    """All brands by key, and the words that stand for them."""

    brands: Mapping[str, Brand]
    path: Path
    _names: Mapping[Words, str] = field(repr=False)  # words of an alias -> brand key
    _models: Mapping[Words, str] = field(repr=False)  # words of a model that one brand makes -> brand key
    _nothing: frozenset[Words] = field(repr=False)  # words that look like a brand or a model and are none
    _contexts: Mapping[str, frozenset[Words]] = field(repr=False)  # brands whose bare word is not enough
    _longest: Mapping[str, int] = field(repr=False)  # first word -> most words that may follow it, with itself

    def find(self, text: str) -> list[Match]:
        """The brands that a free text names, each once, in order of their first mention.

        At each place the longest words win ("Land Rover" is no "Rover", "golf course" no Golf). A brand whose bare name
        is a common word counts only with one of its context words elsewhere in the text. Where no brand is
        named, models that only one brand makes tell it.
        """
        tokens = words(text)
        named: dict[str, Match] = {}
        implied: dict[str, Match] = {}
        for start, end, key, by_model in self._spans(tokens):
            found = tuple(tokens[start:end])
            if by_model:
                implied.setdefault(key, Match(key, " ".join(found), by_model=True))
            elif key and (not self._is_bare(key, found) or self._has_context(key, tokens[:start], tokens[end:])):
                named.setdefault(key, Match(key, " ".join(found)))
        return list((named or implied).values())

    def explain(self, text: str) -> list[Mention]:
        """Every place that was looked at, and why it counts or not."""
        tokens = words(text)
        counted = {match.brand: match for match in self.find(text)}
        mentions = []
        for start, end, key, by_model in self._spans(tokens):
            found = tuple(tokens[start:end])
            if not key:
                verdict = "known to be no car"
            elif by_model:
                match = counted.get(key)
                verdict = (
                    "its model, and no brand is named" if match and match.by_model else "a model; a brand is named"
                )
            elif not self._is_bare(key, found):
                verdict = "names it"
            elif self._has_context(key, tokens[:start], tokens[end:]):
                verdict = "a common word, with its context"
            else:
                verdict = "a common word, without one of its context words"
            mentions.append(Mention(" ".join(found), key, verdict))
        return mentions

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

    def _spans(self, tokens: list[str]) -> Iterator[tuple[int, int, str, bool]]:
        """(start, end, brand or "", whether by model) of the longest known words at each place."""
        start, count = 0, len(tokens)
        while start < count:
            longest = self._longest.get(tokens[start])
            if longest is not None:
                for end in range(min(count, start + longest), start, -1):
                    found = tuple(tokens[start:end])
                    if found in self._nothing:
                        yield start, end, "", False
                        break
                    key = self._names.get(found)
                    if key is not None:
                        yield start, end, key, False
                        break
                    key = self._models.get(found)
                    if key is not None:
                        yield start, end, key, True
                        break
                else:
                    start += 1
                    continue
                start = end
            else:
                start += 1

    def _is_bare(self, key: str, alias: Words) -> bool:
        if key not in self._contexts:
            return False
        own, name = words(key), words(self.brands[key].name)
        return list(alias) == own or (list(alias) == name and len(name) <= len(own))

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
    return _MappingReader(path).read()


def check_brands(path: Path | None = None) -> list[Problem]:
    """What is doubtful in a mapping, in order of its lines: words that stand twice, for two brands, or are never found.

    Raises BrokenMapping where it cannot be read at all.
    """
    path = path or bundled_mapping()
    reader = _MappingReader(path, lenient=True)
    mapping = reader.read()
    return sorted([*reader.problems, *reader.unreachable(mapping)], key=lambda p: (p.line, p.column))


def bundled_mapping() -> Path:
    """brand_mapping.yaml inside the installed package, or at the top of the checkout."""
    inside = Path(__file__).parent / "brand_mapping.yaml"
    return inside if inside.exists() else Path(__file__).parent.parent / "brand_mapping.yaml"


def _problem(node: yaml.Node, kind: str, text: str) -> Problem:
    return Problem(node.start_mark.line + 1, node.start_mark.column + 1, kind, text)


class _MappingReader:
    """Turns YAML nodes into brands; keeps the place of each node for the error messages."""

    def __init__(self, path: Path, *, lenient: bool = False) -> None:
        self._file = YamlFile(path)
        self._lenient = lenient  # notes what is doubtful instead of raising
        self.problems: list[Problem] = []
        self._written: list[tuple[str, str, yaml.Node]] = []  # brand, alias or model, where
        self._names: dict[Words, str] = {}
        self._models: dict[Words, set[str]] = {}
        self._places: dict[Words, yaml.Node] = {}

    def read(self) -> BrandMapping:
        root = self._file.root()
        if root is None:
            raise BrokenMapping(f"{self._file.path} is empty", hint="it needs a mapping with `brands:`")
        top = self._file.mapping(root, "the file")
        if "brands" not in top:
            raise self._file.broken(root, "there is no `brands:`")
        brands: dict[str, Brand] = {}
        nodes = self._file.mapping(top["brands"], "`brands`")
        for key, node in nodes.items():
            brands[key] = self._brand(key, node)
        for key, brand in brands.items():
            if brand.pair is not None and brand.pair not in brands:
                raise self._file.broken(nodes[key], f"the pair of {key}, {brand.pair!r}, is no brand")
        self._add_joined()
        nothing = frozenset(tuple(words(text)) for text, _ in self._file.texts(top.get("nothing"), "`nothing`"))
        models = {name: min(keys) for name, keys in self._models.items() if len(keys) == 1 and name not in self._names}
        contexts = {
            key: frozenset(tuple(words(word)) for word in (*brand.context, *brand.models))
            for key, brand in brands.items()
            if brand.common_word
        }
        longest: dict[str, int] = {}
        for known in (*self._names, *models, *nothing):
            longest[known[0]] = max(longest.get(known[0], 0), len(known))
        return BrandMapping(brands, self._file.path, self._names, models, nothing, contexts, longest)

    def _brand(self, key: str, node: yaml.Node) -> Brand:
        fields = self._file.mapping(node, key)
        for name, value in fields.items():
            if name not in _FIELDS:
                raise self._file.broken(value, f"{key} has an unknown field {name!r}")
        for name in ("name", "country", "group", "tier"):
            if name not in fields:
                raise self._file.broken(node, f"{key} has no {name!r}")
        tier = self._file.text(fields["tier"], f"tier of {key}")
        if tier not in _TIERS:
            raise self._file.broken(fields["tier"], f"tier of {key} is none of {', '.join(sorted(_TIERS))}")
        name = self._file.text(fields["name"], f"name of {key}")
        self._add_alias(key, key, node, implied=True)
        self._add_alias(key, name, fields["name"], implied=True)
        return Brand(
            key=key,
            name=name,
            country=self._file.text(fields["country"], f"country of {key}"),
            group=self._file.text(fields["group"], f"group of {key}"),
            tier=tier,
            pair=self._file.text(fields["pair"], f"pair of {key}") if "pair" in fields else None,
            rare=self._file.flag(fields.get("rare"), f"rare of {key}"),
            common_word=self._file.flag(fields.get("common_word"), f"common_word of {key}"),
            context=tuple(text for text, _ in self._file.texts(fields.get("context"), f"context of {key}")),
            aliases=tuple(
                self._add_alias(key, text, at)
                for text, at in self._file.texts(fields.get("aliases"), f"aliases of {key}")
            ),
            models=tuple(
                self._add_model(key, text, at)
                for text, at in self._file.texts(fields.get("models"), f"models of {key}")
            ),
        )

    def _add_alias(self, key: str, text: str, node: yaml.Node, *, implied: bool = False) -> str:
        alias = tuple(words(text))
        if not alias:
            raise self._file.broken(node, f"the alias {text!r} of {key} has no letter or digit")
        other = self._names.setdefault(alias, key)
        if other != key:
            first = self._places[alias].start_mark.line + 1
            problem = f"the alias {text!r} of {key} stands for {other} already (line {first})"
            if not self._lenient:
                raise self._file.broken(node, problem)
            self._note(node, "ambiguous", problem)
        elif alias in self._places and not implied:
            self._note(node, "repeated", f"the alias {text!r} of {key} is there already, or its key or name")
        elif not implied:
            self._written.append((key, text, node))
        self._places.setdefault(alias, node)
        return text

    def _add_model(self, key: str, text: str, node: yaml.Node) -> str:
        model = tuple(words(text))
        if not model or model[0].isdigit():
            raise self._file.broken(node, f"the model {text!r} of {key} has to begin with a letter")
        makers = self._models.setdefault(model, set())
        if key in makers:
            self._note(node, "repeated", f"the model {text!r} of {key} is there already")
        elif makers:
            self._note(
                node, "ambiguous", f"the model {text!r} is made by {', '.join(sorted(makers))} too: it tells none"
            )
        else:
            self._written.append((key, text, node))
        makers.add(key)
        return text

    def unreachable(self, mapping: BrandMapping) -> list[Problem]:
        """Aliases and models of a mapping that was read here which are not found even where they stand alone."""
        found = []
        for key, text, node in self._written:
            if len(self._models.get(tuple(words(text)), ())) > 1:
                continue  # ambiguous, and said so
            if key not in {match.brand for match in mapping.find(text)}:
                found.append(_problem(node, "unreachable", f"{text!r} of {key} is never found: other words come first"))
        return found

    def _note(self, node: yaml.Node, kind: str, text: str) -> None:
        self.problems.append(_problem(node, kind, text))

    def _add_joined(self) -> None:
        """ "astonmartin" for "aston martin", where no other brand has that word."""
        for alias, key in list(self._names.items()):
            if len(alias) > 1 and all(word.isalpha() and len(word) > 1 for word in alias):
                self._names.setdefault(("".join(alias),), key)
