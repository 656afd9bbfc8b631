"""Which encoding a file of text has."""

import codecs
from typing import IO

_READ = 1 << 20  # bytes at once
_SAMPLE = 400_000  # bytes of lines with a byte outside ASCII: enough to tell one 8-bit encoding from another
_EIGHT_BIT = ("cp1252", "cp1250", "cp1251")  # Western, Central European, Cyrillic Windows
_CLOSE = 0.05  # of charset-normalizer's measures: nearer than that, the most usual of them is taken


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
    from charset_normalizer import from_bytes

    telling = b"\n".join(line for line in text.split(b"\n") if not line.isascii())[:_SAMPLE]
    found = {match.encoding: match for match in from_bytes(telling, cp_isolation=list(_EIGHT_BIT))}
    best = min(found.values(), key=lambda match: (match.chaos, -match.coherence), default=None)
    if best is None:
        return "cp1252"
    return next(
        name
        for name in _EIGHT_BIT
        if name in found
        and found[name].chaos <= best.chaos + _CLOSE
        and found[name].coherence >= best.coherence - _CLOSE
    )
