"""A folder that appears whole or not at all: written beside, then put in its place in one step."""

import ctypes
import errno
import os
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import Any

from carharvest.errors import DiskFull

_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_AT_FDCWD = -100  # fcntl.h of Linux: paths are relative to the working folder
_EXCHANGE = 2  # RENAME_EXCHANGE of Linux, RENAME_SWAP of macOS


@contextmanager
def whole_folder(target: Path, placing: Callable[[], AbstractContextManager[Any]] = nullcontext) -> Iterator[Path]:
    """A draft to write into; at the end of the body it takes the place of `target`, inside the context of `placing`.

    Killed at any moment, `target` is what it was before or what it is after. Raises DiskFull.
    """
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix=".writing-", dir=target.parent))
    try:
        draft.chmod(0o755)
        yield draft
        with placing():
            _put_in_place(draft, target)
    except OSError as error:
        shutil.rmtree(draft, ignore_errors=True)
        if error.errno in _NO_ROOM:
            raise DiskFull(
                f"no room left on the disk of {target}", hint="make space and run the same command again"
            ) from error
        raise
    except BaseException:
        shutil.rmtree(draft, ignore_errors=True)
        raise
    shutil.rmtree(draft, ignore_errors=True)  # what stood there before, if anything did


def _put_in_place(draft: Path, target: Path) -> None:
    """Afterwards `draft` is what stood at `target`, or nothing."""
    if not target.exists():
        draft.rename(target)
    elif not _exchanged(draft, target):
        old = Path(tempfile.mkdtemp(prefix=".old-", dir=target.parent))
        target.rename(old / target.name)
        draft.rename(target)
        (old / target.name).rename(draft)
        old.rmdir()


def _exchanged(one: Path, other: Path) -> bool:
    """Two folders exchange their names in one step; False where the system or the disk cannot."""
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        names = os.fsencode(one), os.fsencode(other)
        if sys.platform == "darwin":
            return bool(libc.renamex_np(*names, _EXCHANGE) == 0)
        return bool(libc.renameat2(_AT_FDCWD, names[0], _AT_FDCWD, names[1], _EXCHANGE) == 0)
    except (OSError, AttributeError, TypeError):
        return False
