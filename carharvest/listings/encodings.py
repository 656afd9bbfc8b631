"""Which encoding a file of text has."""

import codecs
import re
from typing import IO

_READ = 1 << 20  # bytes at once
_SAMPLE = 400_000  # bytes of lines with a byte outside ASCII: enough to tell one 8-bit encoding from another
_EIGHT_BIT = ("cp1252", "cp1250", "cp1251")  # Western, Central European, Cyrillic Windows
_SIGN_IN_WORD = re.compile(r"[^\W\d_][¡-¿×÷](?=[^\W\d_])|(?<!\w)[¡-¿×÷](?=[^\W\d_])")


def encoding_of(raw: IO[bytes]) -> str:
    """The name of the encoding; reads to the end, or to the first byte that is not UTF-8 and as much more as it takes.

    UTF-8 if all of it is valid UTF-8, UTF-16 by its byte order mark; else the 8-bit encoding in which it reads best.
    Latin-1 is read as Windows-1252: the same but for 32 codes that Latin-1 has no letters for.
    """
    start = raw.read(4)
    if start.startswith(codecs.BOM_UTF8):
        return "utf-8-sig"
    if start.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        return "utf-16"
    decoder = codecs.getincrementaldecoder("utf-8")()
    block = start
    try:
        while block:
            decoder.decode(block)
            block = raw.read(_READ)
        decoder.decode(b"", final=True)
        return "utf-8"
    except UnicodeDecodeError:
        return _eight_bit(block + raw.read(_READ))


def _eight_bit(text: bytes) -> str:
    """Of the encodings in which charset-normalizer finds a language, the one with fewest signs inside words: what is
    "łódź" in one is "³ódŸ" in another; of equals the most usual."""
    from charset_normalizer import from_bytes

    telling = b"\n".join(line for line in text.split(b"\n") if not line.isascii())[:_SAMPLE]
    read = {name: match for name in _EIGHT_BIT if (match := from_bytes(telling, cp_isolation=[name]).best())}
    most = max((match.coherence for match in read.values()), default=0.0)
    likely = [name for name, match in read.items() if match.coherence >= most / 2]
    return min(
        likely, key=lambda name: len(_SIGN_IN_WORD.findall(telling.decode(name, "replace"))), default=_EIGHT_BIT[0]
    )
