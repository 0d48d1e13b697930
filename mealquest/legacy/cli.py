"""Commands of whoever moves from the old server to this one."""

import json

import click
from flask.cli import AppGroup

from mealquest.core.errors import AppError
from mealquest.legacy import service

legacy = AppGroup("legacy", help="The old MealQuest server.")


@legacy.command("import")
@click.option("--dry-run", is_flag=True, help="Tell what would come; write nothing.")
@click.option("--snapshot-key", help="Which snapshot; MQ_DB_SNAPSHOT_KEY by default.")
@click.option("--table", help="Where it is; MQ_DB_LEGACY_SNAPSHOT_TABLE by default.")
@click.option("--json", "as_json", is_flag=True, help="The report as JSON, with every line.")
def bring_in(dry_run: bool, snapshot_key: str | None, table: str | None, as_json: bool) -> None:
    """Bring in a snapshot, once, where there is no merchant yet."""
    try:
        report = service.bring_in(dry_run=dry_run, table=table, key=snapshot_key)
    except AppError as refused:
        raise click.ClickException(refused.message) from None
    if as_json:
        click.echo(json.dumps(report.as_json(), ensure_ascii=False, indent=2))
    else:
        click.echo("\n".join(report.lines()))


@legacy.command("owner-phone")
@click.argument("merchant_id")
@click.argument("phone")
def owner_phone(merchant_id: str, phone: str) -> None:
    """Let PHONE sign in the owner of MERCHANT_ID, who came without one."""
    try:
        staff_id = service.set_owner_phone(merchant_id, phone.strip())
    except AppError as refused:
        raise click.ClickException(refused.message) from None
    click.echo(f"{staff_id} of {merchant_id} signs in with {phone.strip()}")
