"""Which values cannot be meant: flagged, never changed."""

from collections.abc import Mapping
from datetime import date

import numpy as np

Array = np.ndarray

FIRST_CAR = 1886  # Benz Patent-Motorwagen
MOST_KM = 1_500_000
ENGINE_CC = (100, 9000)  # a microcar's least; more than the Viper's 8,400
POWER_KW = (3, 1500)  # an Aixam has 4, a Rimac Nevera 1,408
DOORS = (1, 7)
SEATS = (1, 20)  # minibuses are sold beside cars
PRICE_EUR = (50, 5_000_000)
# Units of a currency for a euro, to the order of magnitude that tells a price from a placeholder (ECB's rates of 2024).
PER_EUR = {
    "EUR": 1.0, "USD": 1.1, "GBP": 0.85, "CHF": 0.95, "CZK": 25.0, "PLN": 4.3, "HUF": 395.0, "RON": 5.0, "BGN": 1.96,
    "SEK": 11.4,
    "NOK": 11.6, "DKK": 7.46, "INR": 90.0, "RUB": 100.0, "UAH": 43.0, "TRY": 35.0, "JPY": 164.0, "CNY": 7.8,
    "AUD": 1.64, "CAD": 1.48,
    "BRL": 5.8, "ZAR": 19.8, "AED": 4.0, "PKR": 300.0, "MXN": 19.8, "NZD": 1.79,
}  # fmt: skip
_FEWEST_DIGITS = 5  # of a number that is typed for want of one: 12345, 11111
_COUNTED = "123456789"


def flags(table: Mapping[str, Array], today: date) -> Array:
    """For each row the fields whose values cannot be meant, with a blank between: "year price"; "" where all can.

    A year before the first car, or more than one after today or after the listing's day; a price that is 0, typed for
    want of one or out of all proportion for its currency; distances, engines, powers, doors and seats that no car has.
    """
    year = table["year"]
    listed = table["listed_at"].astype("datetime64[Y]").astype(float) + 1970
    listed = np.where(np.isnat(table["listed_at"]), today.year, listed)
    price = table["price"]
    rate = np.array([PER_EUR.get(currency, 1.0) for currency in table["currency"]], dtype=float)
    with np.errstate(invalid="ignore"):
        wrong = {
            "year": (year < FIRST_CAR) | (year > np.minimum(listed, today.year) + 1),
            "price": (price < PRICE_EUR[0] * rate) | (price > PRICE_EUR[1] * rate) | _typed(price),
            "mileage": (table["mileage_km"] < 0) | (table["mileage_km"] > MOST_KM),
            "engine": _outside(table["engine_cc"], ENGINE_CC),
            "power": _outside(table["power_kw"], POWER_KW),
            "doors": _outside(table["doors"], DOORS),
            "seats": _outside(table["seats"], SEATS),
        }
    found = np.full(len(year), "", dtype=object)
    for name, rows in wrong.items():
        found[rows] = [f"{before} {name}".strip() for before in found[rows]]
    return found


def _outside(values: Array, span: tuple[int, int]) -> Array:
    return np.asarray((values < span[0]) | (values > span[1]))


def _typed(prices: Array) -> Array:
    """Prices that fingers type: one digit again and again, or the digits in their order."""
    different, codes = np.unique(prices, return_inverse=True)
    return np.asarray(np.array([_is_typed(value) for value in different])[codes])


def _is_typed(price: float) -> bool:
    if not price >= 10 ** (_FEWEST_DIGITS - 1) or not float(price).is_integer():
        return False
    digits = str(int(price))
    if len(set(digits)) == 1:
        return digits[0] != "9" or len(digits) > _FEWEST_DIGITS  # 99,999 is what dealers write
    return digits in _COUNTED or digits in _COUNTED[::-1]
