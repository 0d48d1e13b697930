"""`flask --app app tenant …`: moves of merchants, for operators."""

from collections.abc import Callable
from typing import Any

import click

from mealquest.core.errors import AppError
from mealquest.core.principal import SYSTEM
from mealquest.tenancy.moves import acts, owner
from mealquest.tenancy.moves.domain import Move, Requirement
from mealquest.tenancy.moves.status import migration_status, moves_under_way


@click.group("tenant")
def tenant() -> None:
    """Moves merchants to databases of their own, and back."""


@tenant.command("check")
@click.argument("merchant_id")
@click.option("--home", is_flag=True, help="Of a move home, once its rollback was waived.")
def check(merchant_id: str, home: bool) -> None:
    """Say what must be so before a merchant moves; fails when something is not."""
    found = _worded(lambda: acts.requirements(merchant_id, to_home=home))
    for one in found:
        _print_requirement(one)
    if not all(one.ok for one in found):
        raise SystemExit(1)


@tenant.command("move")
@click.argument("merchant_id")
@click.option("--note", default="", help="What people read beside it.")
@click.option("--prepare", is_flag=True, help="Copy and keep in step, but do not switch over.")
def move(merchant_id: str, note: str, prepare: bool) -> None:
    """Move a merchant to its own database while it works."""
    if prepare:
        _print_move(_worded(lambda: acts.prepare(merchant_id, SYSTEM)))
        return
    outcome = _worded(lambda: owner.cutover(merchant_id, note, SYSTEM))
    click.echo(f"{merchant_id} works at {outcome.address}")
    _print_move(outcome.move)


@tenant.command("rollback")
@click.argument("merchant_id")
def rollback(merchant_id: str) -> None:
    """Bring a merchant back with every write since, and remove its copy."""
    _print_move(_worded(lambda: owner.rollback(merchant_id, SYSTEM)).move)


@tenant.command("home")
@click.argument("merchant_id")
def home(merchant_id: str) -> None:
    """Bring a merchant home whose rollback was waived."""
    _worded(lambda: owner.bring_home(merchant_id, SYSTEM))
    _print_status(merchant_id)


@tenant.command("waive")
@click.argument("merchant_id")
def waive(merchant_id: str) -> None:
    """Give up the way back, and remove the old copy."""
    _print_move(_worded(lambda: owner.waive_rollback(merchant_id, SYSTEM)))


@tenant.command("abandon")
@click.argument("merchant_id")
def abandon(merchant_id: str) -> None:
    """Give up a move before its switch, and leave nothing of it."""
    _print_move(_worded(lambda: owner.abandon(merchant_id, SYSTEM)))


@tenant.command("status")
@click.argument("merchant_id", required=False)
def status(merchant_id: str | None) -> None:
    """Say where a merchant is and how its move stands; without a name, all moves under way."""
    if merchant_id is None:
        for one in moves_under_way():
            _print_move(one)
    else:
        _print_status(merchant_id)


def _print_status(merchant_id: str) -> None:
    found = _worded(lambda: migration_status(merchant_id))
    click.echo(f"{merchant_id} at {found.address or 'home'}, {found.migration.phase}")
    if found.move:
        _print_move(found.move)


def _worded(act: Callable[[], Any]) -> Any:
    """An expected failure is a sentence, not a stack."""
    try:
        return act()
    except AppError as refused:
        raise click.ClickException(refused.message) from None


def _print_move(one: Move) -> None:
    figures = one.figures
    rows, whole = (sum(figures.get(name, {}).values()) for name in ("rows", "whole"))
    said = [f"{one.merchant_id}: {one.source} to {one.target}, {one.state}"]
    if whole:
        said.append(f"{rows} of {whole} rows")
    if figures.get("lagBytes") is not None:
        said.append(f"{figures['lagBytes']} bytes behind")
    said += [f"{name} {figures[name]}" for name in ("pauseMs", "backPauseMs") if name in figures]
    if one.error:
        said.append(one.error)
    click.echo(", ".join(said))


def _print_requirement(one: Requirement) -> None:
    click.echo(f"{'ok   ' if one.ok else 'WRONG'}  {one.name}: {one.found}")
    if not one.ok and one.remedy:
        click.echo(f"       {one.remedy}")
