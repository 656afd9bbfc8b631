"""Quantities as listings write them, in one unit each. NaN is what cannot be one: a price in a column of engines."""

import math
import re
from typing import Literal

from carharvest.listings.numbers import NUMBER, Decimal, number, plain_number
from carharvest.text import folded

Distance = Literal["km", "mi"]
Gallon = Literal["imperial", "us"]

KM_PER_MILE = 1.609344  # international mile, exactly
KW_PER_METRIC_HP = 0.73549875  # PS, ch, CV, KM, л.с.: 75 kgf m/s
KW_PER_HP = 0.74569987158227  # hp, bhp: 550 ft lbf/s
NM_PER_KGM = 9.80665
NM_PER_LBFT = 1.3558179483314
L_100KM_OF_1_MPG = {"imperial": 282.4809363, "us": 235.2145833}  # 100 km in litres at one mile a gallon

CURRENCIES = {
    "£": "GBP", "€": "EUR", "$": "USD", "₹": "INR", "₽": "RUB", "¥": "JPY", "zł": "PLN", "zl": "PLN", "kč": "CZK",
    "kc": "CZK",
    "rs": "INR", "inr": "INR", "eur": "EUR", "euro": "EUR", "euros": "EUR", "usd": "USD", "us$": "USD", "gbp": "GBP",
    "pln": "PLN",
    "czk": "CZK", "chf": "CHF", "sek": "SEK", "nok": "NOK", "dkk": "DKK", "huf": "HUF", "ft": "HUF", "ron": "RON",
    "lei": "RON",
    "bgn": "BGN", "uah": "UAH", "грн": "UAH", "rub": "RUB", "руб": "RUB", "р": "RUB", "try": "TRY", "tl": "TRY",
    "jpy": "JPY", "cny": "CNY",
    "aud": "AUD", "cad": "CAD", "brl": "BRL", "zar": "ZAR", "aed": "AED", "pkr": "PKR", "mxn": "MXN", "nzd": "NZD",
    "rupees": "INR",
    "dollars": "USD", "pounds": "GBP", "kčs": "CZK",
}  # fmt: skip
_MULTIPLES = {
    "lakh": 1e5,
    "lakhs": 1e5,
    "lac": 1e5,
    "lacs": 1e5,
    "crore": 1e7,
    "crores": 1e7,
    "cr": 1e7,
    "k": 1e3,
    "tys": 1e3,
}
_WITH_PRICE = {
    "vb",
    "fp",
    "ono",
    "otr",
    "onwards",
    "vat",
    "mwst",
    "ttc",
    "brutto",
    "netto",
    "neg",
    "negotiable",
    "only",
    "approx",
    "ca",
}
_HP = {"ps", "ch", "cv", "km", "лс", "л с", "к с", "кс", "pk", "pferdestarken", "hk", "лошадиных", "k", "koni"}
_BHP = {"hp", "bhp", "whp"}
_WORD = re.compile(r"[^\W\d_]+|[£€$₹₽¥]")
_PAIR = re.compile(rf"({NUMBER.pattern})\s*([^\W\d_]+(?:[.\s][^\W\d_](?![^\W\d_]))?)?")
_CC = re.compile(r"^(cc|ccm|cm|cm3|cm³|kubik|кубсм|см)$")
_LITRES = {"l", "liter", "litre", "litres", "liters", "ltr", "litri", "litros", "л"}
_LEAST_CC = 40  # of a number that can be cubic centimetres
_COUNT = re.compile(r"\d+")
_YEAR = re.compile(r"(?<!\d)(1[89]\d\d|20\d\d)(?!\d)")
_ELECTRIC = re.compile(r"k?wh")


def price(text: str, decimal: Decimal) -> tuple[float, str]:
    """(amount, currency or ""): "£30,495", "12 500 zł", "Rs. 4.5 Lakh", "5.000 € VB"."""
    found = NUMBER.search(text)
    if not found:
        return math.nan, ""
    amount, currency = plain_number(found[0], decimal), ""
    for word in _WORD.findall(folded(text)):
        if word in CURRENCIES:
            currency = currency or CURRENCIES[word]
        elif word in _MULTIPLES:
            amount *= _MULTIPLES[word]
        elif word not in _WITH_PRICE:
            return math.nan, ""
    return amount, currency


def mileage_km(text: str, decimal: Decimal, unit: Distance) -> float:
    """Kilometres: "150,000km", "43 000 км", "62k miles"; without a unit it is `unit`."""
    value = number(text, decimal)
    for word in _WORD.findall(folded(text)):
        if word in {"km", "kms", "kilometer", "kilometers", "kilometres", "км", "kilometrow", "kilometri"}:
            unit = "km"
        elif word in {"mi", "mile", "miles", "mls"}:
            unit = "mi"
        elif word in {"k", "tkm", "tys", "тыс"}:
            value *= 1000
        else:
            return math.nan
    return value * KM_PER_MILE if unit == "mi" else value


def power_kw(text: str, decimal: Decimal, kw_per_unit: float) -> float:
    """Kilowatts: "178 KM", "74 bhp", "110 kW (150 PS)"; without a unit, `kw_per_unit` times the number. 0 is none."""
    best = math.nan
    for figure, word in _PAIR.findall(folded(text)):
        value, unit = plain_number(figure, decimal), word.replace(".", " ").strip()
        if unit == "kw":
            return value or math.nan
        if unit and unit not in _HP | _BHP:
            return math.nan
        factor = KW_PER_HP if unit in _BHP else KW_PER_METRIC_HP if unit else kw_per_unit
        best = value * factor if math.isnan(best) else best
    return best or math.nan


def engine_cc(text: str, decimal: Decimal) -> float:
    """Cubic centimetres: "1248 CC", "3 960 cm3", "2.0 TDI", "1,4", "2.143". Up to 10 it is litres. 0 is none."""
    plain = folded(text)
    found = NUMBER.search(plain)
    if not found or any(sign in plain for sign in "£€$₹"):
        return math.nan
    value, behind = plain_number(found[0], decimal), plain[found.end() :].strip()
    word = _WORD.match(behind)
    unit = word[0] if word else ""
    if "." in found[0] and value >= 10 and not unit and plain_number(found[0], ".") <= 10:
        value = plain_number(found[0], ".")  # "2.143" beside decimal commas
    if _CC.match(unit) and value < _LEAST_CC:  # "1.398 ccm": the sign groups thousands after all
        value = plain_number(found[0], "," if decimal == "." else ".")
    if unit in _LITRES or (value <= 10 and not _CC.match(unit)):
        whole = float(value).is_integer() and "." not in found[0] and "," not in found[0]
        return math.nan if whole and unit and unit not in _LITRES else round(value * 1000) or math.nan
    if unit and not _CC.match(unit):
        return math.nan
    return round(value) if value >= _LEAST_CC else math.nan


def torque_nm(text: str, decimal: Decimal) -> float:
    """Newton metres: "190Nm@ 2000rpm", "22.4 kgm at 1750-2750rpm", "12.7@ 2,700(kgm@ rpm)"."""
    plain = folded(text)
    value = number(plain, decimal)
    if "kgm" in plain or "kg m" in plain or "mkg" in plain:
        return value * NM_PER_KGM
    if re.search(r"lb|ft", plain):
        return value * NM_PER_LBFT
    return value or math.nan


def consumption_l_100km(text: str, decimal: Decimal, unit: str, gallon: Gallon) -> float:
    """Litres for 100 km: "23.4 kmpl", "55.4 mpg", "6,5 l/100km"; without a unit it is `unit` (mpg, kmpl or l)."""
    plain = folded(text).replace(" ", "")
    value = number(text, decimal)
    if _ELECTRIC.search(plain) or "/kg" in plain or not value > 0:
        return math.nan
    if "mpg" in plain:
        unit = "mpg"
    elif "kmpl" in plain or "km/l" in plain:
        unit = "kmpl"
    elif "100" in plain.partition("l/")[2]:
        unit = "l"
    elif _WORD.search(plain):
        return math.nan
    if unit == "kmpl":
        return 100 / value
    return L_100KM_OF_1_MPG[gallon] / value if unit == "mpg" else value


def consumption_kwh_100km(text: str, decimal: Decimal) -> float:
    """Kilowatt hours for 100 km: "16.4 kWh/100km"; "164 Wh/km" is the same, and so is a bare number above 60."""
    value, plain = number(text, decimal), folded(text).replace(" ", "")
    if not value > 0 or (_WORD.search(plain) and not _ELECTRIC.search(plain)):
        return math.nan
    return value / 10 if value > 60 else value


def year(text: str) -> float:
    """The year in a date or a number; a number alone is taken as it stands, however odd, to be flagged."""
    bare = text.strip().removesuffix(".0")
    if bare.isdecimal() and len(bare) <= 4:
        return float(bare)
    found = _YEAR.search(text)
    return float(found[0]) if found else math.nan


def count(text: str) -> float:
    """A whole number of doors or seats; of "4/5" the larger."""
    found = [float(part) for part in _COUNT.findall(text.removesuffix(".0"))]
    return max(found) if found and len(found) <= 2 and max(found) < 10_000 else math.nan
