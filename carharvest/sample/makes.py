"""The makes of the sample gallery: how many photos, which models, and what their cars look like.

The names are those of real brands, so that the brand mapping has something to map; grilles and badges are plain
shapes of our own, made to be told apart.
"""

from dataclasses import dataclass
from typing import Literal

Grille = Literal[
    "kidney", "hexagon", "bar", "trapezoid", "oval", "shield", "double-bar", "mesh", "slots", "mouth", "none"
]
Badge = Literal["disc", "rings", "star", "diamond", "chevrons", "oval", "cross", "triangle", "square", "arrow", "half"]
Lamp = Literal["round", "slim", "wedge", "square", "twin", "tall"]
Tail = Literal["bar", "tall", "round", "square", "corner", "twin"]
Body = Literal["saloon", "hatchback", "estate", "suv", "coupe", "van"]
Colour = tuple[int, int, int]

_WHITE, _STEEL, _BLACK = (245, 245, 245), (200, 205, 212), (25, 25, 28)
_BLUE, _RED, _GREEN, _GOLD = (20, 70, 190), (205, 25, 35), (20, 140, 60), (225, 175, 30)


@dataclass(frozen=True, slots=True)
class Make:
    """One brand of the gallery."""

    key: str
    name: str
    photos: int
    bodies: tuple[Body, ...]
    models: tuple[str, ...]
    grille: Grille
    badge: Badge
    badge_colours: tuple[Colour, Colour]
    lamp: Lamp
    tail: Tail
    spokes: int


MAKES: tuple[Make, ...] = (
    Make("BMW", "BMW", 108, ("saloon", "coupe", "suv"), ("320i", "X5", "Z4"), "kidney", "disc", (_BLUE, _WHITE), "twin", "corner", 10),
    Make("VOLKSWAGEN", "Volkswagen", 96, ("hatchback", "estate"), ("Golf", "Passat", "Tiguan"), "bar", "disc", (_STEEL, _BLACK), "square", "square", 5),
    Make("AUDI", "Audi", 90, ("estate", "saloon", "coupe"), ("A4", "Q5", "TT Coupé"), "hexagon", "rings", (_STEEL, _STEEL), "slim", "bar", 7),
    Make("TOYOTA", "Toyota", 84, ("suv", "hatchback"), ("Corolla", "Yaris", "RAV4"), "mouth", "oval", (_RED, _WHITE), "wedge", "corner", 6),
    Make("MERCEDES-BENZ", "Mercedes-Benz", 78, ("saloon", "estate"), ("C 220", "E-Class", "GLC"), "double-bar", "star", (_STEEL, _BLACK), "tall", "twin", 12),
    Make("RENAULT", "Renault", 66, ("hatchback", "van"), ("Mégane", "Zoé", "Clio Génération"), "none", "diamond", (_GOLD, _BLACK), "slim", "tall", 4),
    Make("SKODA", "Škoda", 60, ("estate", "suv"), ("Octavia Élégance", "Fabia", "Kodiaq"), "slots", "arrow", (_GREEN, _WHITE), "square", "twin", 8),
    Make("CITROEN", "Citroën", 54, ("van", "hatchback"), ("C3", "Berlingo", "Xsara Picasso"), "bar", "chevrons", (_RED, _RED), "tall", "round", 3),
    Make("FORD", "Ford", 54, ("coupe", "suv"), ("Focus", "Mustang", "Kuga"), "trapezoid", "oval", (_BLUE, _WHITE), "square", "tall", 9),
    Make("VOLVO", "Volvo", 45, ("estate", "suv"), ("V60", "XC90", "S80"), "mesh", "half", (_STEEL, _BLUE), "wedge", "tall", 6),
    Make("FIAT", "Fiat", 36, ("hatchback", "van"), ("500", "Panda", "Punto"), "none", "square", (_RED, _WHITE), "round", "round", 16),
    Make("SEAT", "SEAT", 30, ("hatchback", "coupe"), ("León", "Ibiza", "Ateca"), "shield", "triangle", (_RED, _STEEL), "wedge", "bar", 5),
    Make("LADA", "Лада", 21, ("saloon", "suv"), ("Нива", "Веста", "Granta"), "slots", "oval", (_STEEL, _BLUE), "round", "square", 4),
    Make("IRAN KHODRO", "Iran Khodro", 12, ("saloon",), ("Samand", "Dena"), "oval", "cross", (_GREEN, _GOLD), "square", "bar", 3),
)  # fmt: skip
