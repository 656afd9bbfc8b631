"""YAML files that people write: read strictly, and every complaint names the line and the column."""

from pathlib import Path
from typing import Any

import yaml

from carharvest.errors import BrokenMapping

_Loader: Any = getattr(yaml, "CSafeLoader", yaml.SafeLoader)  # libyaml where there is one: ten times faster


class YamlFile:
    """The nodes of one YAML file, asked for by what they have to be."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def root(self) -> yaml.Node | None:
        """The whole document; None where it is empty. Raises BrokenMapping where it cannot be read."""
        try:
            return yaml.compose(self._content(), Loader=_Loader)
        except yaml.MarkedYAMLError as error:
            mark = error.problem_mark or error.context_mark
            where = f"{self.path}:{mark.line + 1}:{mark.column + 1}" if mark else str(self.path)
            raise BrokenMapping(f"{where}: {error.problem or error.context}", hint="mend the YAML there") from None
        except yaml.YAMLError as error:
            raise BrokenMapping(f"{self.path}: {error}", hint="mend the YAML") from None

    def mapping(self, node: yaml.Node, what: str) -> dict[str, yaml.Node]:
        """The entries of a mapping, each key once."""
        if not isinstance(node, yaml.MappingNode):
            raise self.broken(node, f"{what} has to be a mapping")
        result: dict[str, yaml.Node] = {}
        for key_node, value in node.value:
            key = self.text(key_node, f"a key of {what}")
            if key in result:
                raise self.broken(key_node, f"{key!r} stands twice in {what}")
            result[key] = value
        return result

    def texts(self, node: yaml.Node | None, what: str) -> list[tuple[str, yaml.Node]]:
        """The entries of a list of texts, and their places; none where there is no list."""
        if node is None or (isinstance(node, yaml.ScalarNode) and node.tag == "tag:yaml.org,2002:null"):
            return []
        if not isinstance(node, yaml.SequenceNode):
            raise self.broken(node, f"{what} has to be a list")
        return [(self.text(item, f"an entry of {what}"), item) for item in node.value]

    def text(self, node: yaml.Node, what: str) -> str:
        """A text that is not blank."""
        if not isinstance(node, yaml.ScalarNode) or not node.value.strip():
            raise self.broken(node, f"{what} has to be a text")
        return str(node.value)

    def flag(self, node: yaml.Node | None, what: str) -> bool:
        """`true` or `false`; false where it is left out."""
        if node is None:
            return False
        if not isinstance(node, yaml.ScalarNode) or node.value not in {"true", "false"}:
            raise self.broken(node, f"{what} has to be true or false")
        return bool(node.value == "true")

    def broken(self, node: yaml.Node, problem: str) -> BrokenMapping:
        """The error that says what is wrong with a node, and where."""
        mark = node.start_mark
        return BrokenMapping(f"{self.path}:{mark.line + 1}:{mark.column + 1}: {problem}", hint="mend that line")

    def _content(self) -> str:
        try:
            return self.path.read_text(encoding="utf-8")
        except (OSError, UnicodeDecodeError) as error:
            raise BrokenMapping(f"{self.path} cannot be read: {error}", hint="name a readable UTF-8 file") from None
