"""Which car a row is: brand and model from its columns, its title, its table's name, in that order."""

import re
from collections import Counter
from dataclasses import dataclass, field
from math import isnan
from pathlib import PurePath

from carharvest.listings.titles import Car, TitleReader, tidy
from carharvest.listings.vocabulary import is_nothing
from carharvest.text import printable, to_ascii, words

_LEAST_ALIKE = 90  # of 100: "LAMBORGHIN" and "ROLLS ROYC" are cut off, "volksvagen" is misspelt
_LEAST_LETTERS = 5  # of a brand's name that is compared so
# A row of models, as the German export has them: "2_reihe" of Peugeot is any of 201 to 208.
_FAMILY = re.compile(r"^[a-z]{0,2}\d? ?reihe$")


@dataclass(slots=True)
class CarFinder:
    """Finds the cars of one table. `table_brand` holds where a row names none; `said` outranks the rows.

    `favoured` counts the brands that the table names for sure: they decide whose "Swift" it is.
    """

    reader: TitleReader
    table_brand: str = ""
    said: bool = False
    favoured: Counter[str] = field(default_factory=Counter)
    _cells: dict[tuple[str, str], Car] = field(default_factory=dict)
    _vague: dict[str, bool] = field(default_factory=dict)
    _brands: dict[str, str] = field(default_factory=dict)
    _cars: dict[tuple[str, tuple[str, ...], str], Car] = field(default_factory=dict)

    def car(self, brand_cell: str, model_cells: tuple[str, ...], title: str) -> Car:
        """The car of a row, from its cells as they are written; of several with a model, the one that names it best.

        `brand` is a key of the mapping, or, of a brand that is in none, what is written, in ASCII capitals.
        """
        key = brand_cell, model_cells, title
        found = self._cars.get(key)
        if found is None:
            found = self._cars[key] = self._car(brand_cell.strip(), model_cells, title.strip())
        return found

    def forget(self) -> None:
        """Takes nothing for known that was found before `favoured` was counted."""
        self._cars.clear()

    def brand_of(self, cell: str) -> str:
        """The key of the brand that a cell names; "" where it names none."""
        if cell not in self._brands:
            self._brands[cell] = self._brand_of(cell)
        return self._brands[cell]

    def _car(self, brand_cell: str, model_cells: tuple[str, ...], title: str) -> Car:
        named = [cell for cell in map(str.strip, model_cells) if not self._is_vague(cell)]
        written = "" if self._is_vague(brand_cell) else brand_cell
        brand = self._brand(written, " ".join(named), title)
        from_title = self.reader.read(title, brand) if title else Car()
        brand = brand or from_title.brand
        read = [self._read_cell(cell, brand) for cell in named] if brand else []
        from_cell = next((car for car in read if car.model), Car())
        model, trim = from_cell.model, from_cell.trim
        if named and not model:
            model, trim = self._as_written(brand, named[0])
        if not model:
            model, trim = from_title.model, from_title.trim
        elif from_title.model == model and len(from_title.trim) > len(trim):
            trim = from_title.trim
        if not model:
            model = next((tidy(cell) for cell in model_cells if _FAMILY.match(" ".join(words(cell)))), "")
        brand = brand or printable(to_ascii(written), 40).upper()
        return Car(
            brand,
            model,
            trim,
            from_cell.engine_cc if not isnan(from_cell.engine_cc) else from_title.engine_cc,
            from_cell.power_kw if not isnan(from_cell.power_kw) else from_title.power_kw,
            from_cell.year if not isnan(from_cell.year) else from_title.year,
            from_cell.fuel or from_title.fuel,
            from_cell.transmission or from_title.transmission,
            from_cell.body or from_title.body,
        )

    def _read_cell(self, cell: str, brand: str) -> Car:
        found = self._cells.get((cell, brand))
        if found is None:
            found = self._cells[cell, brand] = self.reader.read(cell, brand)
        return found

    def _brand(self, cell: str, model_cell: str, title: str) -> str:
        if self.said:
            return self.table_brand
        brand = self.brand_of(cell) if cell else ""
        if not brand:
            named = [
                match for match in self.reader.brands.find(f"{cell} {model_cell} {title}".strip()) if not match.by_model
            ]
            brand = named[0].brand if named else ""
        if brand or cell:
            return brand  # one that is written, though nobody knows it, is not taken for another
        return self.table_brand or self._maker(model_cell or title)

    def _maker(self, text: str) -> str:
        """The brand that makes a model whose name the text begins with; of several, the one the table names most."""
        makers = self.reader.lineups.makers(words(text))
        if not makers:
            implied = self.reader.brands.find(text)
            return implied[0].brand if implied else ""
        if len(makers) == 1:
            return next(iter(makers))
        ranked = sorted(makers, key=lambda brand: (-self.favoured[brand], brand))
        return ranked[0] if self.favoured[ranked[0]] > self.favoured[ranked[1]] else ""

    def _brand_of(self, cell: str) -> str:
        if is_nothing(cell):
            return ""
        exact = self.reader.brands.exactly(cell)
        if exact:
            return exact.brand
        found = self.reader.brands.find(cell)
        if len(found) == 1 and not found[0].by_model:
            return found[0].brand
        wanted = " ".join(words(cell))
        if len(wanted) < _LEAST_LETTERS:
            return ""
        from rapidfuzz import fuzz, process

        names = {" ".join(words(brand.name)): key for key, brand in self.reader.brands.brands.items()}
        near = process.extractOne(wanted, list(names), scorer=fuzz.ratio, score_cutoff=_LEAST_ALIKE)
        return names[near[0]] if near else ""

    def _as_written(self, brand: str, cell: str) -> tuple[str, str]:
        """A model that nobody knows: all of a short name, two words of a long one."""
        first = cell.replace("_", " ").split()
        near = self.reader.lineups.nearest(brand, first[0])
        if near:
            return near, " ".join(first[1:6])
        return (tidy(cell), "") if len(first) <= 3 else (tidy(" ".join(first[:2])), " ".join(first[2:7]))

    def _is_vague(self, cell: str) -> bool:
        """Whether a cell names nothing: "", "andere", or a whole row of models."""
        found = self._vague.get(cell)
        if found is None:
            found = self._vague[cell] = self._names_nothing(cell)
        return found

    def _names_nothing(self, cell: str) -> bool:
        if is_nothing(cell):
            return True
        tokens = words(cell)
        others = self.reader.vocabulary.kinds["fuel"]
        return bool(tokens) and (others.get((tokens[0],)) == "other" or _FAMILY.match(" ".join(tokens)) is not None)


def brand_of_file(name: str, finder: CarFinder) -> str:
    """The brand that a file is named after: "audi.csv", "unclean cclass.csv", "hyundi.csv"; "" where it is none."""
    stem = PurePath(name.split("#")[0]).name.partition(".")[0]
    exact = finder.brand_of(stem)
    if exact:
        return exact
    tokens = words(stem)
    named = {brand for word in tokens if (brand := finder.brand_of(word))}
    if not named:
        named = {
            next(iter(makers))
            for i in range(len(tokens))
            if len(makers := finder.reader.lineups.makers(tokens[i:])) == 1
        }
    return named.pop() if len(named) == 1 else ""
