"""The part of PostgreSQL's configuration that is ours, written whole at every start.

It names absolute places, which a copy of an installation must not keep. It wins over
``postgresql.conf``, which is left as initdb found it right for the machine; what an operator
says with ALTER SYSTEM wins over both.
"""

import re
import sys
from pathlib import Path

from mealquest.engines.files import write_private

NAME = "mealquest.conf"
MARK = "mealquest.installation"  # a setting of ours: whose server this is

ALWAYS: dict[str, str | int] = {
    "listen_addresses": "127.0.0.1",
    "cluster_name": "mealquest",
    "max_connections": 200,
    "superuser_reserved_connections": 5,
    "reserved_connections": 5,  # for the owner: migrations and repairs get in when all else is full
    "password_encryption": "scram-sha-256",
    "shared_buffers": "128MB",
    "wal_level": "logical",  # merchants move to another server by logical replication
    "max_wal_senders": 20,
    "max_replication_slots": 20,
    "max_logical_replication_workers": 12,  # one for each merchant whose old copy is kept
    "max_worker_processes": 24,
    "max_slot_wal_keep_size": "1GB",  # a forgotten slot must not fill the disk
    "timezone": "UTC",
    "log_timezone": "UTC",
    "lc_messages": "C",
    "log_line_prefix": "%m [%p] %q%u@%d ",
    "log_checkpoints": "off",
}
FAST: dict[str, str | int] = {
    "fsync": "off",
    "synchronous_commit": "off",
    "full_page_writes": "off",
}

# The superuser comes through the private socket only, everybody else with a password.
HBA = """\
local  all  postgres                trust
local  replication  postgres        trust
local  all  all                     scram-sha-256
host   all  postgres  127.0.0.1/32  reject
host   all  all       127.0.0.1/32  scram-sha-256
"""


def initdb_options(fast: bool) -> list[str]:
    """Unicode rules from PostgreSQL itself, so that order and case are the same everywhere.

    Trigram search still asks the system what a letter is; under plain C no Chinese sign is one.
    """
    options = [
        "--username=postgres",
        "--encoding=UTF8",
        "--locale-provider=builtin",
        "--builtin-locale=C.UTF-8",
        "--locale=C",
        "--lc-ctype=" + ("C.UTF-8" if sys.platform == "linux" else "UTF-8"),
        "--auth-local=trust",
        "--auth-host=reject",
        "--no-instructions",
    ]
    return [*options, "--no-sync"] if fast else options


def include_ours(data: Path) -> None:
    with (data / "postgresql.conf").open("a") as stream:
        stream.write(f"\ninclude '{NAME}'\n")


def write(
    data: Path, *, port: int, sockets: Path, mark: str, preload: str = "", fast: bool = False
) -> None:
    """Write both files.

    Args:
        sockets: directory of the unix socket.
        mark: the value of ``MARK``.
        preload: libraries to load at the start.
        fast: give up crash safety; for throw-away clusters.
    """
    settings = {
        **ALWAYS,
        **(FAST if fast else {}),
        "port": port,
        "unix_socket_directories": '"' + str(sockets).replace('"', '""') + '"',
        "shared_preload_libraries": preload,
        MARK: mark,
    }
    lines = [f"{name} = {_quoted(value)}\n" for name, value in settings.items()]
    write_private(data / "pg_hba.conf", HBA)
    write_private(data / NAME, "# Written at every start; use ALTER SYSTEM.\n" + "".join(lines))


def port_in(data: Path) -> int | None:
    """The port of the last start; None before the first."""
    found = _find(data, r"^port = '(\d+)'$")
    return int(found) if found else None


def sockets_in(data: Path) -> Path | None:
    """The socket directory of the last start; None before the first."""
    found = _find(data, r"^unix_socket_directories = '\"(.*)\"'$")
    return (
        Path(found.replace("''", "'").replace('""', '"').replace("\\\\", "\\")) if found else None
    )


def _find(data: Path, pattern: str) -> str | None:
    try:
        text = (data / NAME).read_text(encoding="utf-8", errors="surrogateescape")
    except FileNotFoundError:
        return None
    found = re.search(pattern, text, re.MULTILINE)
    return found.group(1) if found else None


def _quoted(value: str | int) -> str:
    return "'" + str(value).replace("\\", "\\\\").replace("'", "''") + "'"
