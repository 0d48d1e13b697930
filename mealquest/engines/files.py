"""Files of one installation: replaced whole, private to their owner, and locked by processes."""

import fcntl
import os
import tempfile
import time
from pathlib import Path
from typing import Self

POLL_SECONDS = 0.01
LOG_LIMIT_BYTES = 8 * 1024 * 1024


def own_like(path: Path, model: Path) -> None:
    """As root, give ``path`` to the owner of ``model``, who must still get at it without root."""
    if os.geteuid() == 0:
        wanted = model.stat()
        os.chown(path, wanted.st_uid, wanted.st_gid)


def own_tree(top: Path, uid: int, gid: int) -> None:
    for path in [top, *top.rglob("*")]:
        os.chown(path, uid, gid, follow_symlinks=False)


def write_private(path: Path, text: str) -> None:
    """Replace a file in one step. Mode 0600; it belongs to the owner of its directory."""
    handle, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    draft = Path(name)
    try:
        with os.fdopen(handle, "w", encoding="utf-8", errors="surrogateescape") as stream:
            stream.write(text)
            stream.flush()
            os.fsync(stream.fileno())
        own_like(draft, path.parent)
        draft.replace(path)
    except BaseException:
        draft.unlink(missing_ok=True)
        raise


def open_log(path: Path, owner: Path) -> int:
    """Make ``path`` ready for a server that runs as the owner of ``owner``.

    Returns the size so far: what is behind it afterwards was said by this start. A log past
    8 MiB is kept once as ``<name>.1`` and begun again.
    """
    if path.exists() and path.stat().st_size > LOG_LIMIT_BYTES:
        path.replace(path.with_name(f"{path.name}.1"))
    path.touch(mode=0o600)
    own_like(path, owner)
    return path.stat().st_size


def read_from(path: Path, offset: int) -> str:
    with path.open("rb") as stream:
        stream.seek(offset)
        return stream.read().decode("utf-8", errors="replace")


def last_lines(path: Path, count: int = 12) -> str:
    if not path.exists():
        return f"({path} does not exist)"
    recent = read_from(path, max(0, path.stat().st_size - 16_384))
    return "\n".join(recent.splitlines()[-count:])


class FileLock:
    """An advisory lock on one open file description.

    The kernel drops it when the last process that shares the description is gone, however
    that process ended. Two locks on one path exclude each other inside one process too.
    A fork shares its parent's lock: only the parent can give it back, and then it is gone.
    """

    def __init__(self, path: Path) -> None:
        self._holder = os.getpid()
        is_new = not path.exists()
        self._descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
        if is_new:
            own_like(path, path.parent)

    def share(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_SH)

    def try_exclusive(self) -> bool:
        try:
            fcntl.flock(self._descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    def exclusive(self, *, seconds: float) -> bool:
        """Wait for the lock, at most ``seconds``. False: it stayed taken."""
        deadline = time.monotonic() + seconds
        while not self.try_exclusive():
            if time.monotonic() > deadline:
                return False
            time.sleep(POLL_SECONDS)
        return True

    def release(self) -> None:
        fcntl.flock(self._descriptor, fcntl.LOCK_UN)

    def is_ours(self) -> bool:
        """False in a fork."""
        return os.getpid() == self._holder

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_error: object) -> None:
        if self.is_ours():
            self.release()
        os.close(self._descriptor)
