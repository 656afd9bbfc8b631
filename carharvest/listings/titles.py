"""Pulls a car out of a text: brand, model, trim, engine, power, year, fuel, gearbox, body."""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

from carharvest.brands import BrandMapping, Match
from carharvest.lineup import Lineups, Model
from carharvest.listings.units import KW_PER_HP, KW_PER_METRIC_HP
from carharvest.listings.vocabulary import Vocabulary
from carharvest.text import printable, words

_MOST_LITRES = 8.4  # of a car's engine in series: the Viper's
_LEAST_CC = 500  # "206 CC" is a coupé-cabriolet
_TRIM_WORDS = 5
_POWER = re.compile(
    r"(?<![\d.,])(\d{2,4}(?:[.,]\d{1,2})?)\s*(kw|ps|bhp|hp|ch|cv|л\.?\s?с|к\.?\s?с)(?![^\W\d_])", re.IGNORECASE
)
_CC = re.compile(r"(?<![\d.,])(\d{1,2}[., ]?\d{3}|\d{3})\s*(?:ccm|cc|cm3|cm³)(?![^\W_])", re.IGNORECASE)
_LITRES = re.compile(
    r"(?<![\d.,/])(\d)[.,](\d{1,2})(?![\d.,/%]|\s*(?:km|tkm|€|eur|mio|tsd|\.-|jahr|hand|zoll))", re.IGNORECASE
)
_BLANK_LITRES = re.compile(  # "4_4_Liter": where blanks became underscores, so did the point
    r"(?<![\d.,/])(\d) (\d)\s*(?=(?:l|liter|litre|ltr|i|d|t|e|tdi|tsi|tfsi|fsi|cdi|hdi|dci|cdti|crdi|jtd|tdci|crd|dti|"
    r"td|benzin|diesel|16v|8v|12v|24v|v6|v8|turbo|hp|kompressor|vtec|mpi|gdi)(?![^\W\d_]))",
    re.IGNORECASE,
)
_LITRE_WORD = re.compile(r"\s*(?:liter|litre|litres|ltr|l)(?![^\W\d_])\.?", re.IGNORECASE)
_YEAR = re.compile(
    r"(?<![\d./-])((?:19[2-9]|20[0-4])\d)(?![\d]|\s*[-–/]\s*(?:19|20)?\d|\s*(?:km|€|eur|ccm|cc|kg))", re.IGNORECASE
)
_YEAR_SAID = re.compile(
    r"\b(?:bj|baujahr|ez|erstzulassung|model year|rocznik)\b\.?\s*:?\s*(?:\d{1,2}[./])?"
    r"((?:19|20)\d\d|[6-9]\d|[01]\d)(?!\d)",
    re.IGNORECASE,
)
_INSPECTED = re.compile(
    r"\b(?:t[uü]e?v|hu|au|asu|mot)\b[^\d]{0,12}[\d./-]+", re.IGNORECASE
)  # a date of no first registration
_SPAN = re.compile(r"\b(?:19|20)\d\d\s*[-–]\s*(?:(?:19|20)?\d\d)\b")  # years of a generation
_SEPARATORS = re.compile(r"[_/|*+!?~\"“”()\[\]{}<>;:=#]+|(?<=[^\W\d_])\.(?=[^\W\d_])|\s[-–]\s|(?<=[^\W\d_]),|\.{2,}")
_WHAT = re.compile(r"\S+")


@dataclass(frozen=True, slots=True)
class Car:
    """What a text says of a car; empty or NaN where it says nothing."""

    brand: str = ""
    model: str = ""
    trim: str = ""
    engine_cc: float = math.nan
    power_kw: float = math.nan
    year: float = math.nan
    fuel: str = ""
    transmission: str = ""
    body: str = ""


@dataclass(frozen=True, slots=True)
class TitleReader:
    """Reads cars out of texts, by the brands and models of the pictures and the words of listings."""

    brands: BrandMapping
    lineups: Lineups
    vocabulary: Vocabulary

    def read(self, text: str, brand: str = "") -> Car:
        """The car that a text names; `brand` is the key of its brand where that is known from elsewhere."""
        plain = _INSPECTED.sub(" ", printable(text).replace("_", " "))
        rest, power = self._power(plain)
        rest, engine = self._engine(rest)
        named = self._named(plain)
        if not brand and named:
            brand = named[0].brand
        rest, year = self._year(rest, brand)
        pieces = _WHAT.findall(_SEPARATORS.sub(" ", rest))
        tokens: list[str] = []
        at: list[int] = []  # the piece that a token is of
        for place, piece in enumerate(pieces):
            for word in _words(piece):
                tokens.append(word)
                at.append(place)
        alias = next((match.alias.split() for match in named if match.brand == brand and not match.by_model), [])
        behind = _end_of(alias, tokens)
        found = self._model(brand, tokens, behind) if brand else None
        model, trim = "", ""
        if found is not None:
            model, trim = found.name, self._trim(found, tokens, at, pieces)
        elif brand and behind:
            model, trim = self._unknown_model(brand, tokens, at, pieces, behind)
        if found is not None and found.end - found.start > 1:
            tokens[found.start] = ""  # "Wagon R" is no wagon
        told = self.vocabulary.signs_in(tokens)
        fuel, transmission, body = (
            self.vocabulary.strongest(field, told.get(field, set())) for field in ("fuel", "transmission", "body")
        )
        return Car(brand, model, trim, engine, power, year, fuel, transmission, body)

    def _named(self, text: str) -> list[Match]:
        """The brands that a title names. A common word is a brand here too where the title begins with it: "Fiat"."""
        found = self.brands.find(text)
        if all(match.by_model for match in found):
            first = words(text[:40])
            for length in (3, 2, 1):
                exact = self.brands.exactly(" ".join(first[:length])) if len(first) >= length else None
                if exact:
                    return [exact]
        return found

    def _power(self, text: str) -> tuple[str, float]:
        best = math.nan
        for figure, unit in _POWER.findall(text):
            value = float(figure.replace(",", "."))
            if unit.lower() == "kw":
                best = value
                break
            if math.isnan(best):
                best = value * (KW_PER_HP if unit.lower() in {"bhp", "hp"} else KW_PER_METRIC_HP)
        return _POWER.sub(" ", text), best

    def _engine(self, text: str) -> tuple[str, float]:
        said = _CC.search(text)
        if said:
            value = float(re.sub(r"[., ]", "", said[1]))
            if _LEAST_CC <= value <= 1000 * _MOST_LITRES:
                return text[: said.start()] + " " + text[said.end() :], value
        for pattern in (_LITRES, _BLANK_LITRES):
            for found in pattern.finditer(text):
                litres = float(f"{found[1]}.{found[2]}")
                if 0.5 <= litres <= _MOST_LITRES:
                    behind = text[found.end() :]
                    unit = _LITRE_WORD.match(behind)
                    return text[: found.start()] + " " + (behind[unit.end() :] if unit else behind), round(
                        litres * 1000
                    )
        return text, math.nan

    def _year(self, text: str, brand: str) -> tuple[str, float]:
        """The text without its year, and the year: one that is said to be it, or the only number that looks like one
        and is no model of the brand ("Peugeot 2008")."""
        text = _SPAN.sub(" ", text)
        said = _YEAR_SAID.search(text)
        if said:
            value = int(said[1])
            return _YEAR_SAID.sub(" ", text), float(value if value > 100 else value + (1900 if value > 40 else 2000))
        found = {figure for figure in _YEAR.findall(text) if self.lineups.find(brand, [figure]) is None}
        if len(found) != 1:
            return text, math.nan
        (figure,) = found
        return text.replace(figure, " "), float(figure)

    def _model(self, brand: str, tokens: Sequence[str], behind: int) -> Model | None:
        """Behind the brand first, else anywhere. A letter or digit is a model only first, or right behind the brand."""
        for start in dict.fromkeys((behind, 0)):
            found = self.lineups.find(brand, tokens, start)
            while found and found.end == found.start + 1 and len(tokens[found.start]) == 1:
                if found.start in {0, behind}:
                    break
                found = self.lineups.find(brand, tokens, found.end)
            if found:
                return found
        return None

    def _trim(self, found: Model, tokens: Sequence[str], at: Sequence[int], pieces: Sequence[str]) -> str:
        """What stands behind the model, until an advertisement's word; with the model's own letters where its name is
        a family's: "740i" of the 7 Series."""
        name = _words(found.name)
        family = any(word.isdecimal() and word not in name for word in tokens[found.start : found.end])
        first = at[found.start] if family else at[found.end - 1] + 1
        return self._until_ad(pieces[first:])

    def _unknown_model(
        self, brand: str, tokens: Sequence[str], at: Sequence[int], pieces: Sequence[str], behind: int
    ) -> tuple[str, str]:
        if behind >= len(tokens):
            return "", ""
        if at[behind] == at[behind - 1]:  # "Mercedes-Benz/Smart": the rest of the brand's own word
            behind = next((i for i in range(behind, len(tokens)) if at[i] != at[behind - 1]), len(tokens))
            if behind >= len(tokens):
                return "", ""
        piece = pieces[at[behind]].strip(".,-")
        own = _words(piece)
        name = "".join(own)
        if not 3 <= len(name) <= 20 or name.isdecimal() or any(self._says_other(word) for word in own):
            return "", ""
        if self.brands.exactly(piece):
            return "", ""
        return self.lineups.nearest(brand, piece) or tidy(piece), self._until_ad(pieces[at[behind] + 1 :])

    def _says_other(self, word: str) -> bool:
        """Whether a word is known to be no model."""
        return (
            word in self.vocabulary.ad_words
            or any(form == (word,) for form, _, _ in self.vocabulary.signs.get(word, ()))
            or any((word,) in known for known in self.vocabulary.kinds.values())
        )

    def _until_ad(self, pieces: Sequence[str]) -> str:
        kept: list[str] = []
        for piece in pieces:
            own = _words(piece)
            if len(kept) == _TRIM_WORDS or any(word in self.vocabulary.ad_words for word in own):
                break
            if own:
                kept.append(piece.strip(".,-"))
        while kept and len(kept[-1]) == 1 and kept[-1].isdecimal():
            kept.pop()  # of "7 seats", cut off before the seats
        return " ".join(kept)


def tidy(text: str) -> str:
    """A name that nobody knows, written in one way: "golf" -> "Golf", "CLIO" -> "Clio", "a4" -> "A4", not "e-Golf"."""
    clean = " ".join(printable(text, 60).replace("_", " ").split())
    if not (clean.islower() or clean.isupper()):
        return clean
    return " ".join(
        word.upper() if any(c.isdecimal() for c in word) or len(word) < 3 else word.capitalize()
        for word in clean.split()
    )


def _end_of(alias: Sequence[str], tokens: Sequence[str]) -> int:
    """Where the words behind the alias begin; 0 where it does not stand there."""
    length = len(alias)
    if not length:
        return 0
    return next((i + length for i in range(len(tokens) - length + 1) if list(tokens[i : i + length]) == list(alias)), 0)


@lru_cache(maxsize=100_000)
def _words(piece: str) -> tuple[str, ...]:
    return tuple(words(piece))
