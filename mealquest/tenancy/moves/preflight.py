"""What must be so before a merchant moves: what was found, and what to do where it is not."""

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import psycopg
from psycopg import sql

from mealquest.core.db import databases
from mealquest.core.places import HOME
from mealquest.tenancy.moves import creating, records, servers
from mealquest.tenancy.moves.domain import Requirement
from mealquest.tenancy.moves.logins import Connection, Login, connect, login_at
from mealquest.tenancy.moves.server_checks import of_server, rights
from mealquest.tenancy.moves.tables import CONTROL, counted, tenant_tables

Hook = Callable[[str], list[str]]

_hooks: list[Hook] = []


def ask_also(hook: Hook) -> None:
    """Name who else knows why a merchant must not move: sentences of what to do first.

    For features that stand behind this one, at start-up. `hook` gets a merchant's id and opens its
    own transaction.
    """
    if hook not in _hooks:
        _hooks.append(hook)


def target_of(merchant_id: str, *, home: bool) -> str:
    """The place that a merchant would move to."""
    return HOME if home else merchant_id


def requirements(merchant_id: str, *, to_home: bool = False) -> list[Requirement]:
    """Everything that was looked at, in the order in which it is put right."""
    try:
        with connect(login_at(HOME)) as home:
            try:
                return _all(home, merchant_id, to_home)
            except psycopg.Error as refused:
                return [rights(home, "home"), _cannot_look("home", refused)]
    except psycopg.OperationalError as away:
        return [_cannot_look("home", away)]


def _all(home: Connection, merchant_id: str, to_home: bool) -> list[Requirement]:
    source = servers.place_of(home, merchant_id)
    target = target_of(merchant_id, home=to_home)
    found = [_route(source, target), *_moves(home, merchant_id), *_hooked(merchant_id)]
    if not found[0].ok:
        return found
    if creating.can_be_made(target) and not creating.exists(target):
        return [*found, *of_server(home, "home"), _to_be_made(target)]
    return [*found, *_of_both(merchant_id, source, target)]


def _cannot_look(called: str, failure: psycopg.Error) -> Requirement:
    said = str(failure).strip().partition("\n")[0]
    remedy = "start it, or put the mover's login right: MQ_DB_MOVER_URL, or adminUrl of the map"
    return Requirement(f"{called}: the mover gets in and may look", False, said, remedy)


def _route(source: str, target: str) -> Requirement:
    name = "a database to move to"
    if source == target:
        return Requirement(name, False, f"the merchant is at {source} already")
    if HOME in (source, target) and _can_be_reached(target if source == HOME else source):
        return Requirement(name, True, databases().named(target).address)
    remedy = "name one in MQ_TENANT_DB_MAP, another than home, and start again"
    return Requirement(name, False, "none is configured", remedy)


def _can_be_reached(place: str) -> bool:
    if creating.can_be_made(place):
        return creating.name_is_short_enough(place)
    return databases().has_one_of_its_own(place) and not databases().named(place).is_home


def _moves(home: Connection, merchant_id: str) -> Iterator[Requirement]:
    move = records.live(home, merchant_id)
    found = f"one is {move.state}" if move else "none"
    yield Requirement("no other move", move is None, found, "end it, or waive its rollback")


def parted(merchant_id: str) -> Requirement:
    """Whether nobody has come to share with the merchant since its move began."""
    (found,) = _hooked(merchant_id)
    return found


def _hooked(merchant_id: str) -> Iterator[Requirement]:
    reasons = [reason for hook in _hooks for reason in hook(merchant_id)]
    found = "; ".join(reasons) or "none"
    yield Requirement("no partners to part from", not reasons, found, "settle this first")


def _to_be_made(target: str) -> Requirement:
    found = f"{databases().named(target).address} is made when the move begins"
    return Requirement("target server", True, found)


def _of_both(merchant_id: str, source: str, target: str) -> list[Requirement]:
    logins = login_at(source), login_at(target)
    found: list[Requirement] = []
    with ExitStack() as stack:
        sides = []
        for login in logins:
            called = "home" if login.place == HOME else "target"
            try:
                sides.append(stack.enter_context(connect(login)))
            except psycopg.OperationalError as away:
                return [*found, _cannot_look(called, away)]
            try:
                found += of_server(sides[-1], called)
            except psycopg.Error as refused:
                return [*found, rights(sides[-1], called), _cannot_look(called, refused)]
        one, other = sides
        try:
            found += [_revisions(one, other), _empty(other, target, merchant_id)]
        except psycopg.Error as refused:
            return [*found, _cannot_look("target", refused)]
        found += [_sees(other, logins[0], "target"), _sees(one, logins[1], "source")]
    return found


def _revisions(one: Connection, other: Connection) -> Requirement:
    statement = "SELECT version_num FROM alembic_version"
    mine, theirs = (
        servers.one(side, statement)
        if servers.one(side, "SELECT to_regclass('alembic_version')::text")
        else None
        for side in (one, other)
    )
    remedy = "flask --app app db upgrade"
    return Requirement("same migrations", mine == theirs, f"{mine} and {theirs}", remedy)


def _empty(target: Connection, place: str, merchant_id: str) -> Requirement:
    """Home always has the merchant in its directory."""
    name, remedy = "no rows of the merchant at the target", "find out whose they are, remove them"
    missing = servers.one(
        target,
        "SELECT count(*) FROM unnest(%s::text[]) AS name WHERE to_regclass(name) IS NULL",
        list(tenant_tables()),
    )
    if missing:
        return Requirement(name, False, f"{missing} tables are missing", "migrate it first")
    found = counted(target, merchant_id)
    for table, key in {} if place == HOME else CONTROL.items():
        statement = sql.SQL("SELECT count(*) FROM {} WHERE {} = %s")
        row = target.execute(
            statement.format(sql.Identifier(table), sql.Identifier(key)), [merchant_id]
        ).fetchone()
        if row and row[0]:
            found[table] = row[0]
    said = ", ".join(f"{number} in {table}" for table, number in found.items())
    return Requirement(name, not found, said or "none", remedy)


def _sees(follower: Connection, followed: Login, called: str) -> Requirement:
    """A subscription is made as it will be, and taken back: so this server gets in at that one."""
    name = f"{called} reaches the other database and may subscribe there"
    probe = sql.SQL(
        "CREATE SUBSCRIPTION mq_probe CONNECTION {} PUBLICATION mq_probe"
        " WITH (enabled = false, create_slot = false, slot_name = NONE, copy_data = false)"
    )
    try:
        with follower.transaction(force_rollback=True):
            follower.execute(probe.format(sql.Literal(followed.for_subscription)))
    except psycopg.Error as refused:
        said = str(refused).strip().partition("\n")[0]
        remedy = (
            "let the server in (pg_hba.conf, firewall; the address must be one that it can reach,"
            " not through a pooler), and give the mover's login pg_create_subscription"
        )
        return Requirement(name, False, said, remedy)
    return Requirement(name, True, "yes")
