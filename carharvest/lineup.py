"""Models of a known brand: reads the `lineups` of brand_mapping.yaml and finds models in any text."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from carharvest.brands import bundled_mapping
from carharvest.text import folded, words
from carharvest.yamlfile import YamlFile

Words = tuple[str, ...]

_LEAST_ALIKE = 85  # of 100: one letter of six or seven wrong, too many or missing
_LEAST_LETTERS = 5
_PATTERN_WORD = re.compile(r"[\d#]+|[^\W\d_]+")


@dataclass(frozen=True, slots=True)
class Model:
    """A model found in the words of a text: `words[start:end]` name it."""

    brand: str
    name: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Lineups:
    """The models of each brand by the words that stand for them."""

    _names: Mapping[str, Mapping[Words, str]]  # brand -> words -> model
    _firsts: Mapping[str, frozenset[str]]  # brand -> first words of its models
    _longest: Mapping[str, int]  # brand -> most words of one of its models
    _makers: Mapping[Words, frozenset[str]]  # words -> brands that make a model of that name

    def find(self, brand: str, tokens: Sequence[str], start: int = 0) -> Model | None:
        """The first model of the brand at or behind `start`; of those that begin at the same word, the longest."""
        names = self._names.get(brand)
        if not names:
            return None
        firsts = self._firsts[brand]
        for begin in range(start, len(tokens)):
            if not any(form[0] in firsts for form in _forms(tokens[begin : begin + 1])):
                continue
            for end in range(min(len(tokens), begin + self._longest[brand]), begin, -1):
                for form in _forms(tokens[begin:end]):
                    if form in names:
                        return Model(brand, names[form], begin, end)
        return None

    def nearest(self, brand: str, word: str) -> str:
        """The model of the brand that a misspelt word stands for ("Felica", "Passart"); "" where none is that near."""
        from rapidfuzz import fuzz, process

        plain = "".join(words(word))
        if len(plain) < _LEAST_LETTERS or not plain.isalpha():
            return ""
        names = {form[0]: name for form, name in self._names.get(brand, {}).items() if len(form) == 1}
        near = process.extractOne(
            plain, [n for n in names if n.isalpha()], scorer=fuzz.ratio, score_cutoff=_LEAST_ALIKE
        )
        return names[near[0]] if near else ""

    def makers(self, tokens: Sequence[str]) -> frozenset[str]:
        """The brands that make a model whose name the text begins with: the longest name counts."""
        longest = max(self._longest.values(), default=0)
        for end in range(min(len(tokens), longest), 0, -1):
            found = self._makers.get(tuple(tokens[:end]))
            if found:
                return found
        return frozenset()

    def of(self, brand: str) -> list[str]:
        """The names of a brand's models, in alphabetical order."""
        return sorted(set(self._names.get(brand, {}).values()), key=str.casefold)

    def count(self) -> int:
        """How many models are known."""
        return sum(len(set(names.values())) for names in self._names.values())


def load_lineups(path: Path | None = None) -> Lineups:
    """The lineups in `path`, or those that come with carharvest; a mapping without any has no models.

    Raises BrokenMapping with line and column of what is wrong.
    """
    file = YamlFile(path or bundled_mapping())
    root = file.root()
    top = file.mapping(root, "the file") if root is not None else {}
    if "lineups" not in top:
        return Lineups({}, {}, {}, {})
    brands = file.mapping(top["brands"], "`brands`") if "brands" in top else {}
    names: dict[str, dict[Words, str]] = {}
    makers: dict[Words, set[str]] = {}
    for brand, node in file.mapping(top["lineups"], "`lineups`").items():
        if brand not in brands:
            raise file.broken(node, f"the lineup of {brand}: there is no such brand")
        own = names.setdefault(brand, {})
        for model, spellings in file.mapping(node, f"the lineup of {brand}").items():
            written = [model, *(text for text, _ in file.texts(spellings, f"{model} of {brand}"))]
            for form in {form for text in written for form in _spellings(text)}:
                other = own.setdefault(form, model)
                names_itself = form == tuple(words(model))
                if other != model and names_itself == (form == tuple(words(other))):
                    raise file.broken(spellings, f"{' '.join(form)!r} of {brand} is {other} already")
                if names_itself:
                    own[form] = model  # its own name is stronger than another one's spelling
                makers.setdefault(form, set()).add(brand)
    return Lineups(
        names,
        {brand: frozenset(form[0] for form in own) for brand, own in names.items()},
        {brand: max(map(len, own)) for brand, own in names.items()},
        {form: frozenset(keys) for form, keys in makers.items() if sum(map(len, form)) > 1},
    )


def _spellings(text: str) -> Iterator[Words]:
    """A name as it is written, and in one word where it has no digits: "c class", "cclass"."""
    found = tuple(_PATTERN_WORD.findall(folded(text))) if "#" in text else tuple(words(text))
    yield found
    if len(found) > 1 and all(word.isalpha() for word in found) and sum(map(len, found)) > 3:
        yield ("".join(found),)


def _forms(found: Sequence[str]) -> Iterator[Words]:
    """The words, then with `#` for digits: "320" as 3## and as ###, since patterns name numbers by their shape."""
    yield tuple(found)
    if any(word[:1].isdecimal() for word in found):
        yield tuple(word[:-1] + "#" if word.isdecimal() else word for word in found)
        yield tuple(word[0] + "#" * (len(word) - 1) if word.isdecimal() else word for word in found)
        yield tuple("#" * len(word) if word.isdecimal() else word for word in found)
