"""What one server must offer a move: settings, room, and what the mover's login may do there."""

from collections.abc import Iterator

from mealquest.tenancy.moves import records, servers
from mealquest.tenancy.moves.domain import Requirement
from mealquest.tenancy.moves.logins import Connection
from mealquest.tenancy.moves.tables import tenant_tables

OLDEST = 150_000
CREATE_SUBSCRIPTION = 160_000  # the version that has a role for it
KEEP_MB = 256  # a slot that may keep less is lost in a busy minute
OURS = "slot_name LIKE 'mq\\_move\\_%' OR slot_name LIKE 'mq\\_back\\_%'"

_SLOTS = "SELECT current_setting('max_replication_slots')::int - count(*) FROM pg_replication_slots"
_SENDERS = (
    "SELECT current_setting('max_wal_senders')::int - count(*) FROM pg_stat_activity"
    " WHERE backend_type = 'walsender'"
)
_WORKERS = (
    "SELECT current_setting('max_logical_replication_workers')::int - count(*)"
    " FROM pg_stat_activity WHERE backend_type LIKE 'logical replication%worker'"
)
_KEPT_MB = "SELECT setting::bigint FROM pg_settings WHERE name = 'max_slot_wal_keep_size'"
_UNSUITED = (
    "SELECT c.relname FROM pg_class c WHERE c.relnamespace = current_schema()::regnamespace"
    " AND c.relname = ANY (%s) AND (c.relreplident <> 'd' OR NOT EXISTS ("
    " SELECT FROM pg_index i JOIN pg_attribute a ON a.attrelid = c.oid AND a.attnum = i.indkey[0]"
    " WHERE i.indrelid = c.oid AND i.indisprimary AND a.attname = 'merchant_id')) ORDER BY 1"
)
_OWNERS = (
    "SELECT DISTINCT tableowner FROM pg_tables WHERE schemaname = current_schema()"
    " AND tablename = ANY (%s)"
)


def of_server(connection: Connection, called: str) -> Iterator[Requirement]:
    """`called` is how people know the server: home, or target."""
    version = connection.info.server_version
    yield Requirement(
        f"{called}: PostgreSQL 15 or newer", version >= OLDEST, str(version // 10_000), "upgrade it"
    )
    yield _wal_level(connection, called)
    yield from _rooms(connection, called)
    yield _kept(connection, called)
    yield rights(connection, called)
    yield _keys(connection, called)
    yield _leftovers(connection, called)


def _wal_level(connection: Connection, called: str) -> Requirement:
    found = servers.one(connection, "SHOW wal_level")
    remedy = "ALTER SYSTEM SET wal_level = logical, and restart the server"
    return Requirement(f"{called}: wal_level", found == "logical", found, remedy)


def _rooms(connection: Connection, called: str) -> Iterator[Requirement]:
    for setting, statement, wanted in (
        ("max_replication_slots", _SLOTS, 2),
        ("max_wal_senders", _SENDERS, 2),
        ("max_logical_replication_workers", _WORKERS, 2),
    ):
        free = int(servers.one(connection, statement))
        remedy = f"raise {setting}, and restart the server; or waive the rollback of other moves"
        yield Requirement(f"{called}: {setting}", free >= wanted, f"{free} free", remedy)


def _kept(connection: Connection, called: str) -> Requirement:
    """Without a limit a slot that nobody reads fills the disk; with a small one it is lost."""
    kept = int(servers.one(connection, _KEPT_MB))
    found = "no limit: watch the disk" if kept < 0 else f"{kept} MB"
    remedy = f"set it to {KEEP_MB} MB at least, or to -1"
    ok = kept < 0 or kept >= KEEP_MB
    return Requirement(f"{called}: max_slot_wal_keep_size", ok, found, remedy)


def rights(connection: Connection, called: str) -> Requirement:
    """What the login may do; needs no right itself."""
    name = f"{called}: what the mover's login may do"
    user = connection.info.user
    if servers.one(connection, "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"):
        return Requirement(name, True, f"{user} is a superuser")
    missing = list(_missing_rights(connection))
    found = f"{user} has all it needs" if not missing else f"{user} lacks {', '.join(missing)}"
    remedy = "name a superuser, or a login with these rights, in MQ_DB_MOVER_URL or adminUrl"
    return Requirement(name, not missing, found, remedy)


def _missing_rights(connection: Connection) -> Iterator[str]:
    attributes = connection.execute(
        "SELECT rolreplication, rolbypassrls FROM pg_roles WHERE rolname = current_user"
    ).fetchone()
    for name, has in zip(("REPLICATION", "BYPASSRLS"), attributes or (), strict=False):
        if not has:
            yield name
    if connection.info.server_version < CREATE_SUBSCRIPTION:
        yield "SUPERUSER (before PostgreSQL 16 nobody else may subscribe)"
    elif not _holds(connection, "pg_has_role('pg_create_subscription', 'usage')"):
        yield "pg_create_subscription"
    if not _holds(connection, "has_database_privilege(current_database(), 'CREATE')"):
        yield "CREATE on the database"
    if not _holds(connection, "has_parameter_privilege('session_replication_role', 'SET')"):
        yield "SET on session_replication_role"
    for (owner,) in connection.execute(_OWNERS, [list(tenant_tables())]).fetchall():
        if not servers.one(connection, "SELECT pg_has_role(%s, 'usage')", owner):
            yield f"membership in {owner}"


def _holds(connection: Connection, condition: str) -> bool:
    return bool(servers.one(connection, f"SELECT {condition}"))


def _keys(connection: Connection, called: str) -> Requirement:
    unsuited = [row[0] for row in connection.execute(_UNSUITED, [list(tenant_tables())])]
    found = ", ".join(unsuited) or "every key leads with the merchant"
    remedy = "give each REPLICA IDENTITY DEFAULT and a primary key that leads with merchant_id"
    return Requirement(f"{called}: keys of all tables", not unsuited, found, remedy)


def _leftovers(connection: Connection, called: str) -> Requirement:
    left = leftover_slots(connection) if called == "home" else []
    found = ", ".join(left) or "none"
    remedy = "flask --app app doctor --fix"
    return Requirement(f"{called}: slots of ended moves", not left, found, remedy)


def slots_of_ours(connection: Connection) -> list[str]:
    """Slots with a mover's name that are of this database."""
    statement = (
        f"SELECT slot_name FROM pg_replication_slots WHERE ({OURS})"  # noqa: S608 - of this module
        " AND database = current_database() ORDER BY 1"
    )
    return [name for (name,) in connection.execute(statement)]


def leftover_slots(home: Connection) -> list[str]:
    """Slots at home whose move has ended."""
    moves = list(records.every_live(home))
    wanted = {name for move in moves for name in (move.forward, move.backward)}
    return [name for name in slots_of_ours(home) if name not in wanted]
