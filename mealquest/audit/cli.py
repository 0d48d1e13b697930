"""`flask --app app audit …`: prove the audit, here or by an export on any machine."""

from typing import TextIO

import click
from flask.cli import AppGroup

from mealquest.audit import chain, sealing
from mealquest.audit.chain import Fault, Verdict

audit = AppGroup("audit", help="The sealed record of who did what.")

WORDS = {
    Fault.MISSING: "is gone",
    Fault.CHANGED: "is not what was sealed",
    Fault.FOREIGN: "belongs to another merchant",
    Fault.CUT_SHORT: "and all after it are gone",
    Fault.SLIPPED_IN: "has company that nobody sealed",
}


@audit.command("verify")
@click.argument("export", type=click.File("r", encoding="utf-8"), required=False)
@click.option("--merchant-id", help="Only this merchant's; without an export.")
@click.option("--head", help="A seal that you noted: the chain must end with it.")
def verify(export: TextIO | None, merchant_id: str | None, head: str | None) -> None:
    """Compare every entry with its seal: of EXPORT, else of the database.

    Fails when one differs.
    """
    if export is not None:
        verdicts = [_of_export(export, head)]
    else:
        named = [merchant_id] if merchant_id else sealing.merchants()
        verdicts = [sealing.check(one) for one in named]
        _require_head(head, verdicts)
    for verdict in verdicts:
        click.echo(_sentence(verdict))
    if not all(verdict.holds for verdict in verdicts):
        raise SystemExit(1)


@audit.command("export")
@click.argument("merchant_id")
@click.option("--output", type=click.File("w", encoding="utf-8"), default="-")
def export(merchant_id: str, output: TextIO) -> None:
    """Write the sealed audit of MERCHANT_ID, an entry with its hash a line."""
    sealing.seal(merchant_id)
    output.writelines(sealing.export(merchant_id))


def _of_export(lines: TextIO, head: str | None) -> Verdict:
    try:
        verdict = chain.verify_export(lines)
    except ValueError as no_export:
        raise click.ClickException(str(no_export)) from None
    _require_head(head, [verdict])
    return verdict


def _require_head(head: str | None, verdicts: list[Verdict]) -> None:
    if head and all(verdict.head != head for verdict in verdicts):
        raise click.ClickException("no chain ends with that seal")


def _sentence(verdict: Verdict) -> str:
    if verdict.why is None:
        return f"{verdict.merchant_id}: {verdict.entries} entries hold, newest seal {verdict.head}"
    return f"{verdict.merchant_id}: entry {verdict.broken_seq} {WORDS[verdict.why]}"
