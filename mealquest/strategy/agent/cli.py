"""`flask --app app agent …`: the schema of the agent's checkpoints, and what is old in it."""

from datetime import timedelta

import click


@click.group("agent")
def agent() -> None:
    """Where the strategist's conversations stand."""


@agent.command("prepare")
def prepare() -> None:
    """Make the schema or bring it up to date, with the login that migrates."""
    from mealquest.strategy.agent.run import store

    store().prepare()
    click.echo("the agent's schema is ready")


@agent.command("purge")
@click.option("--days", default=30, type=click.IntRange(min=0), show_default=True)
@click.option("--merchant", help="All of this merchant's instead, as when it is erased.")
def purge(days: int, merchant: str | None) -> None:
    """Drop the checkpoints of conversations in which nothing happened for so many days."""
    from mealquest.strategy.agent.run import store

    kept = store()
    gone = kept.purge_merchant(merchant) if merchant else kept.purge(timedelta(days=days))
    click.echo(f"dropped {gone} conversations")
