"""The conditions of `--where`: a small grammar over what is known of a photo. Nothing of it is ever SQL or code.

license in ('cc0', 'by') and side >= 512 and not source = 'bing'
brand = 'vw' and model ~ 'golf' and taken >= '2020'
"""

import operator
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from lark import Lark, Transformer, UnexpectedInput, v_args
from lark.exceptions import VisitError

from carharvest.brands import BrandMapping
from carharvest.errors import BadSettings, CarharvestError
from carharvest.licenses import allowed_licenses
from carharvest.records import KeptPhoto

Condition = Callable[[KeptPhoto], bool]
_Value = str | float

_GRAMMAR = r"""
?start: either
?either: both ("or"i both)*
?both: single ("and"i single)*
?single: "not"i single          -> negation
       | "(" either ")"
       | FIELD OPERATOR value   -> comparison
       | FIELD "in"i values     -> member
       | FIELD "not"i "in"i values -> no_member
values: "(" value ("," value)* ","? ")"
value: STRING | NUMBER
FIELD: /[a-z_]+/i
OPERATOR: "<=" | ">=" | "!=" | "=" | "<" | ">" | "~"
STRING: /'[^']*'/ | /"[^"]*"/
NUMBER: /-?[0-9]+(\.[0-9]+)?/
%ignore /\s+/
"""

_TEXTS: Mapping[str, Callable[[KeptPhoto], str]] = {
    "brand": lambda p: p.brand,
    "model": lambda p: p.model or "",
    "view": lambda p: p.view or "",
    "source": lambda p: p.source,
    "license": lambda p: p.license,
    "author": lambda p: p.author,
    "page": lambda p: p.page_url,
    "format": lambda p: p.ext,
    "part": lambda p: p.own_part or "",
    "taken": lambda p: p.taken_at,
    "seen": lambda p: p.seen_at,
}
_NUMBERS: Mapping[str, Callable[[KeptPhoto], float | None]] = {
    "year": lambda p: p.year,
    "width": lambda p: p.width_px,
    "height": lambda p: p.height_px,
    "side": lambda p: min(p.width_px, p.height_px),
    "bytes": lambda p: p.size_bytes,
    "boxes": lambda p: len(p.boxes),
}
_DATES = {"taken", "seen"}
_ORDERS: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
FIELDS = (*_TEXTS, *_NUMBERS)


def condition(text: str, mapping: BrandMapping) -> Condition:
    """Whether a photo fulfils the condition. An empty one holds for all.

    Raises BadSettings with the place of what makes no sense, and UnknownBrand.
    """
    if not text.strip():
        return lambda photo: True
    try:
        built: Condition = _Builder(mapping).transform(_parser().parse(text))
    except UnexpectedInput as error:
        is_end = getattr(getattr(error, "token", None), "type", "$END") == "$END" and not hasattr(error, "char")
        at = len(text) + 1 if is_end else error.column
        raise BadSettings(
            f"--where makes no sense at character {at}: {text[: at - 1]}▸{text[at - 1 :]}",
            hint="for example: --where \"license in ('cc0', 'by') and side >= 512\"",
        ) from None
    except VisitError as error:
        if isinstance(error.orig_exc, CarharvestError):
            raise error.orig_exc from None
        raise
    return built


@lru_cache(maxsize=1)
def _parser() -> Lark:
    return Lark(_GRAMMAR, parser="lalr")


@v_args(inline=True)
class _Builder(Transformer[Any, Any]):
    """Turns the tree of a condition into a function."""

    def __init__(self, mapping: BrandMapping) -> None:
        super().__init__()
        self._mapping = mapping

    def either(self, *conditions: Condition) -> Condition:
        return lambda photo: any(holds(photo) for holds in conditions)

    def both(self, *conditions: Condition) -> Condition:
        return lambda photo: all(holds(photo) for holds in conditions)

    def negation(self, holds: Condition) -> Condition:
        return lambda photo: not holds(photo)

    def value(self, token: Any) -> _Value:
        return str(token)[1:-1] if token.type == "STRING" else float(token)

    def values(self, *values: _Value) -> tuple[_Value, ...]:
        return values

    def no_member(self, field: Any, values: tuple[_Value, ...]) -> Condition:
        return self.negation(self.member(field, values))

    def member(self, field: Any, values: tuple[_Value, ...]) -> Condition:
        return self.either(*(self.comparison(field, "=", value) for value in values))

    def comparison(self, field: Any, sign: Any, value: _Value) -> Condition:
        name, sign = str(field).lower(), str(sign)
        if name in _NUMBERS:
            return _of_number(name, sign, value)
        if name not in _TEXTS:
            raise BadSettings(f"--where knows no {name!r}", hint=f"it knows {', '.join(FIELDS)}")
        if not isinstance(value, str):
            raise BadSettings(f"{name} is a text: {value:g} has to stand in quotes", hint=f"{name} {sign} '{value:g}'")
        if sign in _ORDERS and name not in _DATES:
            raise BadSettings(f"{name} is neither a number nor a date: {sign} makes no sense", hint="use = or ~ or in")
        return _of_text(name, sign, value if sign == "~" else self._as_kept(name, value))

    def _as_kept(self, name: str, value: str) -> str:
        """The value as the catalog spells it: vw is VOLKSWAGEN, "CC BY 4.0" is by."""
        if name == "brand":
            return self._mapping.resolve(value).key
        if name == "license" and value:
            return next(iter(allowed_licenses([value])))
        return value


def _of_number(name: str, sign: str, value: _Value) -> Condition:
    """What is not known is neither smaller nor greater nor equal to anything."""
    if isinstance(value, str) or sign == "~":
        raise BadSettings(f"{name} is a number", hint=f"for example: {name} >= 512")
    read = _NUMBERS[name]
    compare = {"=": operator.eq, "!=": operator.ne, **_ORDERS}[sign]

    def holds(photo: KeptPhoto) -> bool:
        known = read(photo)
        return known is not None and bool(compare(known, value))

    return holds


def _of_text(name: str, sign: str, value: str) -> Condition:
    """Capitals make no difference. A date is compared by its beginning: taken = '2024-05' is all of May."""
    read, wanted = _TEXTS[name], value.casefold()
    if sign == "~":
        return lambda photo: wanted in read(photo).casefold()
    if sign in _ORDERS:
        order = _ORDERS[sign]
        return lambda photo: bool(read(photo)) and order(read(photo)[: len(value)], value)

    def equals(photo: KeptPhoto) -> bool:
        known = read(photo).casefold()
        return known[: len(wanted)] == wanted if name in _DATES and wanted else known == wanted

    return equals if sign == "=" else lambda photo: not equals(photo)
