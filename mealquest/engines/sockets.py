"""Where a server puts its unix socket: a private directory with a path short enough for one."""

import hashlib
import os
import shutil
import stat
import tempfile
from pathlib import Path

from mealquest.engines.errors import EngineFailed

# A socket's whole path has room for 103 bytes on macOS (107 on Linux), and PostgreSQL adds
# "/.s.PGSQL.65535" to the directory.
LONGEST_DIRECTORY = 88


def mark_of(home: Path) -> str:
    """A short name for an installation, made from where it stands; a copy has another one."""
    return hashlib.sha256(os.fsencode(home)).hexdigest()[:16]


def directory_name(home: Path) -> str:
    return f"mealquest-{mark_of(home)}"


def socket_directory(home: Path) -> Path:
    name = directory_name(home)
    places = [Path(tempfile.gettempdir()), Path("/tmp"), Path("/var/tmp")]  # noqa: S108
    for place in places:
        directory = place / name
        if place.is_dir() and len(os.fsencode(directory)) <= LONGEST_DIRECTORY:
            return directory
    raise EngineFailed("no temporary directory has a path short enough for a unix socket")


def make_private(directory: Path, uid: int | None, gid: int) -> None:
    """Create it for ``uid`` alone, without what an earlier server left.

    A name under /tmp can be taken by anybody first; what is not ours is not used.
    """
    remove_private(directory)
    try:
        directory.mkdir(mode=0o700)
    except FileExistsError:
        raise EngineFailed(
            f"{directory} belongs to another user; remove it or set TMPDIR to a directory of "
            "your own"
        ) from None
    if uid is not None:
        os.chown(directory, uid, gid)


def remove_private(directory: Path) -> None:
    try:
        found = directory.lstat()
    except FileNotFoundError:
        return
    ours = stat.S_ISDIR(found.st_mode) and os.geteuid() in (0, found.st_uid)
    if ours:
        shutil.rmtree(directory, ignore_errors=True)
