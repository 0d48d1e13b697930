"""What a move may leave behind on a server: nothing."""

import psycopg

from mealquest.tenancy.moves.tables import CONTROL, tenant_tables

_OBJECTS = """
SELECT 'slot ' || slot_name FROM pg_replication_slots
 UNION ALL SELECT 'publication ' || pubname FROM pg_publication
 UNION ALL SELECT 'subscription ' || subname FROM pg_subscription
 UNION ALL SELECT 'gate ' || merchant_id || ' ' || state FROM tenant_gates
"""


def objects(connection: psycopg.Connection) -> set[str]:
    return {name for (name,) in connection.execute(_OBJECTS)}


def rows(connection: psycopg.Connection, merchant_id: str) -> dict[str, int]:
    """How many rows of the merchant each table has, but for empty ones."""
    found = {}
    for table in (*tenant_tables(), *CONTROL):
        key = CONTROL.get(table, "merchant_id")
        statement = f"SELECT count(*) FROM {table} WHERE {key} = %s"
        if number := connection.execute(statement, [merchant_id]).fetchone()[0]:
            found[table] = number
    return found
