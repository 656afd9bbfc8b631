"""Errors for people: each says what happened, what to do about it, and which exit code it has."""


class CarharvestError(Exception):
    """What went wrong (the message) and what to type next (the hint)."""

    exit_code = 1

    def __init__(self, message: str, *, hint: str = "") -> None:
        super().__init__(message)
        self.hint = hint


class MissingKey(CarharvestError):
    """A source needs an API key and none is set."""

    exit_code = 3


class WrongKey(CarharvestError):
    """A source refused the API key (401 or 403)."""

    exit_code = 4


class QuotaSpent(CarharvestError):
    """A source's request quota is used up for now."""

    exit_code = 5


class NoNetwork(CarharvestError):
    """A source could not be reached at all."""

    exit_code = 6


class UnknownBrand(CarharvestError):
    """A brand that brand_mapping.yaml does not know."""

    exit_code = 7


class EmptyResult(CarharvestError):
    """Something that should have brought photos brought none."""

    exit_code = 8


class UnreadableFolder(CarharvestError):
    """A folder or archive that cannot be read."""

    exit_code = 9


class DiskFull(CarharvestError):
    """The disk of the workspace has no room left."""

    exit_code = 10


class WorkspaceLocked(CarharvestError):
    """Another run is writing in the workspace."""

    exit_code = 11


class BrokenMapping(CarharvestError):
    """brand_mapping.yaml cannot be read; the message names line and column."""

    exit_code = 12


class MissingExtra(CarharvestError):
    """A command needs packages that an extra installs."""

    exit_code = 13


class OneClass(CarharvestError):
    """A classifier needs at least two brands."""

    exit_code = 14


class NewerCatalog(CarharvestError):
    """The catalog was written by a newer carharvest."""

    exit_code = 15


class BadSettings(CarharvestError):
    """carharvest.toml, an environment variable or a flag has a value that makes no sense."""

    exit_code = 16


class NotFound(CarharvestError):
    """A photo, split or run that does not exist."""

    exit_code = 17


class SplitExists(CarharvestError):
    """A split of that name is there already and splits are frozen."""

    exit_code = 18


class DamagedWorkspace(CarharvestError):
    """Rows and blobs disagree, or the catalog itself cannot be read."""

    exit_code = 19


class UnknownStage(CarharvestError):
    """A stage of normalize that does not exist."""

    exit_code = 23


class UnknownSource(CarharvestError):
    """A source that nobody has registered."""

    exit_code = 21


class BadPlan(CarharvestError):
    """A harvest plan or a list of URLs that cannot be read; the message names the place."""

    exit_code = 22


class BadAnnotations(CarharvestError):
    """Annotations of an existing data set that cannot be read; the message names the place."""

    exit_code = 24


class LeakySplit(CarharvestError):
    """A split whose parts share photos or shots."""

    exit_code = 25


class Collapsed(CarharvestError):
    """A model that learned nothing: every photo gets the same class."""

    exit_code = 26


class ChecksFailed(CarharvestError):
    """A check before training found something wrong."""

    exit_code = 27


class Interrupted(CarharvestError):
    """A person, or the system, stopped the run."""

    exit_code = 130


class SourceFailed(CarharvestError):
    """A source answered with something other than its documented response."""

    exit_code = 20


class BadListings(CarharvestError):
    """A table of car listings that cannot be read or understood; the message names it."""

    exit_code = 28
