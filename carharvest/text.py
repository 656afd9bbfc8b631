"""Text from the web made plain: ASCII names and comparable words."""

import re
import unicodedata

from unidecode import unidecode

# Scripts written without blanks give one word a character, so a name is found inside a sentence.
_UNSPACED = "\u0e00-\u0e7f\u3040-\u30ff\u3400-\u9fff\uac00-\ud7af"
_INDIC = "\u0900-\u0dff"  # vowel signs are no letters to the `re` module, but part of the word
_WORD = re.compile(rf"[{_UNSPACED}]|(?:(?![{_UNSPACED}])[^\W\d_]|[{_INDIC}])+|\d+")
_ASCII_WORD = re.compile(r"[a-z]+|\d+")
_NO_NAME = re.compile(r"[^A-Za-z0-9 .+_-]")
_BLANKS = re.compile(r"\s+")


def to_ascii(text: str) -> str:
    """The text in ASCII letters, one blank between words: "Škoda  Mégane" -> "Skoda Megane"."""
    composed = unicodedata.normalize("NFKC", text)
    return _BLANKS.sub(" ", unidecode(composed)).strip()


def folded(text: str) -> str:
    """Lower case, compatibility forms unified, Latin accents removed, other scripts left as they are."""
    decomposed = unicodedata.normalize("NFKD", text.casefold())
    bare = "".join(c for c in decomposed if not _is_latin_accent(c))
    return unicodedata.normalize("NFC", bare)


def words(text: str) -> list[str]:
    """Folded runs of letters and runs of digits: "BMW320i_Škoda" -> ["bmw", "320", "i", "skoda"]."""
    if text.isascii():  # most names; nothing to fold but the case
        return _ASCII_WORD.findall(text.lower())
    return _WORD.findall(folded(text))


def printable(text: str, limit: int = 500) -> str:
    """The text in one line: no control characters, one blank between words, cut to `limit` characters."""
    clean = _BLANKS.sub(" ", without_controls(text)).strip()
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def folder_name(text: str) -> str:
    """The text as the name of a folder: ASCII letters, digits, blanks, dots, dashes; never hidden, empty or long."""
    plain = _NO_NAME.sub(" ", to_ascii(text))
    return _BLANKS.sub(" ", plain).strip(" .-")[:80].strip(" .-") or "unnamed"


def without_controls(text: str) -> str:
    """The text with a blank for each control character: nothing from outside moves a person's cursor."""
    if text.isprintable():  # most texts
        return text
    return "".join(" " if unicodedata.category(c) in {"Cc", "Cf", "Zl", "Zp", "Cs"} else c for c in text)


def _is_latin_accent(char: str) -> bool:
    # U+0300-U+036F are the accents of Latin, Greek and Cyrillic; marks of Indic or Arabic script stay.
    return "\u0300" <= char <= "\u036f"
