"""The columns of the clean table: what they hold and in which unit."""

from typing import Literal

Kind = Literal["text", "class", "whole", "number", "date"]

# In the order of the clean table. `class` is a text with few different values.
FIELDS: dict[str, Kind] = {
    "brand": "class",
    "model": "class",
    "trim": "text",
    "year": "whole",
    "price": "number",
    "currency": "class",
    "mileage_km": "whole",
    "fuel": "class",
    "transmission": "class",
    "engine_cc": "whole",
    "power_kw": "number",
    "torque_nm": "number",
    "consumption_l_100km": "number",
    "consumption_kwh_100km": "number",
    "body": "class",
    "colour": "class",
    "doors": "whole",
    "seats": "whole",
    "location": "text",
    "seller": "text",
    "title": "text",
    "url": "text",
    "image_url": "text",
    "listed_at": "date",
}
NUMBERS = tuple(name for name, kind in FIELDS.items() if kind in {"whole", "number"})
