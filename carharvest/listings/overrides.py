"""A person's word on what columns hold: a YAML file that outranks what was understood."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatch
from pathlib import Path

import yaml

from carharvest.listings.fields import FIELDS
from carharvest.listings.units import CURRENCIES
from carharvest.listings.vocabulary import IGNORED
from carharvest.yamlfile import YamlFile

_CHOICES = {
    "currency": {code.lower() for code in CURRENCIES.values()},
    "distance": {"km", "mi"},
    "decimal": {".", ","},
    "gallon": {"imperial", "us"},
    "power": {"kw", "ps", "hp"},
}


@dataclass(frozen=True, slots=True)
class Override:
    """What a person says of tables whose name matches `files`: columns by field, and how the table counts."""

    files: str = "*"
    columns: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    said: Mapping[str, str] = field(default_factory=dict)  # currency, distance, decimal, gallon, power, brand


def load_overrides(path: Path | None) -> tuple[Override, ...]:
    """The overrides in a file: a mapping of table names (with * and ?) to what holds for them.

    Raises BrokenMapping with line and column of what is wrong.
    """
    if path is None:
        return ()
    file = YamlFile(path)
    root = file.root()
    found = []
    for files, node in (file.mapping(root, "the file") if root is not None else {}).items():
        said: dict[str, str] = {}
        columns: dict[str, tuple[str, ...]] = {}
        for name, value in file.mapping(node, files).items():
            if name == "columns":
                for ours, theirs in file.mapping(value, f"columns of {files}").items():
                    if ours not in FIELDS and ours != IGNORED:
                        raise file.broken(theirs, f"{ours!r} is none of {', '.join(FIELDS)}, {IGNORED}")
                    columns[ours] = _names(file, theirs, ours)
            elif name in _CHOICES or name == "brand":
                said[name] = file.text(value, name)
                if name in _CHOICES:
                    said[name] = said[name].lower()
                if name in _CHOICES and said[name] not in _CHOICES[name]:
                    raise file.broken(value, f"{name} is one of {', '.join(sorted(_CHOICES[name]))}")
            else:
                raise file.broken(value, f"{name!r} is none of {', '.join(('columns', 'brand', *_CHOICES))}")
        found.append(Override(files, columns, said))
    return tuple(found)


def _names(file: YamlFile, node: yaml.Node, what: str) -> tuple[str, ...]:
    """One column's name, or several in a list."""
    if isinstance(node, yaml.SequenceNode):
        return tuple(text for text, _ in file.texts(node, what))
    return (file.text(node, what),)


def override_for(name: str, overrides: tuple[Override, ...]) -> Override:
    """All that is said of a table, the later entries stronger."""
    columns: dict[str, tuple[str, ...]] = {}
    said: dict[str, str] = {}
    for one in overrides:
        if fnmatch(name.lower(), one.files.lower()):
            columns.update(one.columns)
            said.update(one.said)
    return Override(name, columns, said)
