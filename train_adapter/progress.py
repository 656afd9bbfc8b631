"""How long work tells how far it is."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]  # what is going on, done, of how many


def silent(_what: str, _done: int, _total: int) -> None:
    """Tells nobody."""
