"""Makes the private folder of one run. It is removed when the run ends, or at the next start if the run was killed."""

import contextlib
import fcntl
import logging
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

logger = logging.getLogger(__name__)

PREFIX = "mvstylizer-up-"
ATTEMPTS = 10


@contextlib.contextmanager
def run_folder() -> Iterator[Path | None]:
    """Yield a new folder of mode 0700, which this process keeps locked, or None if no folder can be made."""
    try:
        remove_stale(Path(tempfile.gettempdir()))
        folder, lock = _locked_folder()
    except OSError as error:
        logger.warning("no temporary folder (%s): doing without", error.strerror)
        yield None
        return
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def remove_stale(parent: Path) -> None:
    """Remove the folders of runs that were killed: those that belong to this user and are no longer locked."""
    for folder in parent.glob(f"{PREFIX}*"):
        with contextlib.suppress(OSError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
            try:
                found = os.fstat(lock)
                if found.st_uid == os.geteuid() and stat.S_IMODE(found.st_mode) == 0o700 and locks(lock):
                    shutil.rmtree(folder, ignore_errors=True)
            finally:
                os.close(lock)


def _locked_folder() -> tuple[Path, int]:
    """Make a folder and lock it; raises OSError.

    This is tried several times, since another run that is starting may remove a folder which is not locked yet.
    """
    for _ in range(ATTEMPTS):
        folder = Path(tempfile.mkdtemp(prefix=PREFIX))
        with contextlib.suppress(FileNotFoundError):
            lock = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
            if locks(lock) and folder.exists():
                return folder, lock
            os.close(lock)
    raise FileExistsError("temporary folders are taken away as soon as they are made")


def locks(descriptor: int) -> bool:
    """Lock a file or folder; return whether it was free. The lock ends with the process, however that ends."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        return True
    except BlockingIOError:
        return False
