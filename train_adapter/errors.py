"""Errors for people: what went wrong, and what to do about it."""


class TrainingError(Exception):
    """Training cannot start or go on. `one_class` marks the want of a second class."""

    def __init__(self, message: str, *, hint: str = "", one_class: bool = False) -> None:
        super().__init__(message)
        self.hint = hint
        self.one_class = one_class


class Leak(TrainingError):
    """Parts of the folder share photos: what is measured on them would not be true."""


class MissingPackage(TrainingError):
    """Something beside training needs a package that is not installed."""
