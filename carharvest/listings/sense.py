"""What holds for a whole table: its currency, its mile and gallon, its horse power, by what it shows."""

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from carharvest.listings.numbers import Decimal
from carharvest.listings.units import KW_PER_HP, KW_PER_METRIC_HP, Distance, Gallon

# A language of column names that one currency is likely for; English is spoken with too many.
_CURRENCY_OF = {"de": "EUR", "fr": "EUR", "es": "EUR", "it": "EUR", "pl": "PLN", "ru": "RUB", "hi": "INR", "cs": "CZK"}
_DECIMAL_COMMA = {"de", "fr", "es", "it", "pl", "ru", "cs"}
_LEAST_IMPERIAL_MPG = 45.0  # median: of tables from the US, none of cars with engines comes near
KW_OF = {"kw": 1.0, "ps": KW_PER_METRIC_HP, "hp": KW_PER_HP}


@dataclass(slots=True)
class Sense:
    """How a table counts, and why it is thought so."""

    language: str = "en"
    decimal: Decimal = "."
    currency: str = ""
    distance: Distance = "km"
    gallon: Gallon = "us"
    kw_per_unit: float = KW_PER_METRIC_HP
    price_factor: float = 1.0
    said: frozenset[str] = frozenset()  # what a person says, which outranks what cells and columns show
    why: dict[str, str] = field(default_factory=dict)

    def decimal_of(self, column: Decimal | None) -> Decimal:
        """The decimal sign of a column, given the one that its cells show."""
        return self.decimal if column is None or "decimal" in self.said else column


def sense_of(
    languages: Counter[str],
    delimiter: str,
    typed: bool,
    currencies: Counter[str],
    mpg: Sequence[float],
    countries: Counter[str],
    said: Mapping[str, str],
) -> Sense:
    """From the languages of its column names, currencies and miles a gallon in it, and the countries of its brands."""
    sense = Sense(said=frozenset(said))
    named = Counter({language: n for language, n in languages.items() if language != "en"})
    if named and named.most_common(1)[0][1] >= 2:
        sense.language = named.most_common(1)[0][0]
        sense.why["language"] = f"{named[sense.language]} columns have names in it"
    if not typed and (sense.language in _DECIMAL_COMMA or delimiter == ";"):
        sense.decimal = ","
    imperial = len(mpg) >= 5 and sorted(mpg)[len(mpg) // 2] >= _LEAST_IMPERIAL_MPG
    british = imperial or currencies.most_common(1)[:1] == [("GBP", currencies["GBP"])]
    indian = countries["India"] >= 0.3 * max(1, countries.total()) and countries["India"] > 0
    if british and (mpg or "GBP" in currencies):
        sense.distance, sense.gallon = "mi", "imperial"
        sense.why["distance"] = "miles: " + ("miles a gallon of 45 and more" if imperial else "prices are in pounds")
    elif mpg:
        sense.distance, sense.gallon = "mi", "us"
        sense.why["distance"] = "miles: there are miles a gallon, too few for imperial gallons"
    if not currencies:
        sense.currency = "INR" if indian else "GBP" if imperial else _CURRENCY_OF.get(sense.language, "")
        because = (
            "many brands are India's" if indian else "miles an imperial gallon" if imperial else "the column names"
        )
        if sense.currency:
            sense.why["currency"] = f"assumed {sense.currency}: {because}"
    else:
        sense.currency = currencies.most_common(1)[0][0] if len(currencies) == 1 else ""
    if "currency" in said:
        sense.currency, sense.why["currency"] = said["currency"].upper(), "said by the overrides"
    if "distance" in said:
        sense.distance, sense.why["distance"] = ("mi" if said["distance"] == "mi" else "km"), "said by the overrides"
    if "gallon" in said:
        sense.gallon = "imperial" if said["gallon"] == "imperial" else "us"
    if "decimal" in said:
        sense.decimal = "," if said["decimal"] == "," else "."
    if "power" in said:
        sense.kw_per_unit, sense.why["power"] = KW_OF[said["power"]], "said by the overrides"
    return sense
