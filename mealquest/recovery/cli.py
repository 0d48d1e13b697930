"""`flask --app app tasks …`."""

import click

from mealquest.core.everywhere import everywhere
from mealquest.recovery import working
from mealquest.recovery.queue_queries import Task


@click.group("tasks")
def tasks() -> None:
    """The task rows of recovery."""


@tasks.command("run-due")
def run_due() -> None:
    """Claim and do every task that is due now, once, in this process; a line for each."""
    rescued = working.rescue()
    if rescued:
        click.echo(f"rescued {rescued} lost tasks")
    click.echo(f"{sum(everywhere(_run_all))} tasks")


def _run_all() -> int:
    """Those of one database."""
    seen: set[tuple[str, int]] = set()
    after = ""

    def told(one: Task, outcome: str) -> None:
        seen.add((one.merchant_id, one.id))
        click.echo(f"{one.merchant_id} {one.id} {one.type}: {outcome}")

    while True:
        known = len(seen)
        size, after = working.work(after=after, told=told)
        if not size or len(seen) == known:  # nothing new: what came back at once is for later
            return len(seen)
