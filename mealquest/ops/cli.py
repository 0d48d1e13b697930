"""`flask --app app doctor`."""

import click

from mealquest.core.db import databases
from mealquest.ops import doctor as examination
from mealquest.ops.doctor import Report


@click.command("doctor")
@click.option("--fix", is_flag=True, help="Repair what can be repaired without a decision.")
@click.option("--merchant-id", help="Look at one merchant only.")
def doctor(fix: bool, merchant_id: str | None) -> None:
    """Check that sums agree, nothing is stuck and the audit holds; fails when one does not."""
    _name_databases()
    sound = True
    for report in examination.examine(fix=fix, only=merchant_id):
        sound = sound and report.is_sound
        _print(report, fix)
    if not sound:
        raise SystemExit(1)


def _name_databases() -> None:
    """Where there is more than home; without logins."""
    found = databases().all()
    for place in found if len(found) > 1 else ():
        click.echo(f"       {place.name}: {place.address}")


def _print(report: Report, fix: bool) -> None:
    if not report.findings:
        click.echo(f"ok     {report.check.name}: {report.check.holds}")
        return
    click.echo(f"WRONG  {report.check.name}: not true that {report.check.holds}")
    for number, finding in enumerate(report.findings):
        where = f"{finding.merchant_id} " if finding.merchant_id else ""
        click.echo(f"       {where}{finding.about}: {finding.what}{_remedy(report, number, fix)}")


def _remedy(report: Report, number: int, fix: bool) -> str:
    if report.repairs:
        return f" - fixed, {report.repairs[number]}"
    if report.check.fix and not fix:
        return " - `--fix` repairs it"
    return " - needs a person"
