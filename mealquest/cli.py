"""Commands of `flask --app app …` beside Flask-Migrate's `db`."""

import click
from flask import Flask, current_app

from mealquest.audit.cli import audit
from mealquest.core.bells import QUEUES
from mealquest.core.everywhere import in_turns
from mealquest.core.telemetry import tell_figures
from mealquest.legacy.cli import legacy
from mealquest.onboarding.cli import demo, onboard_merchant
from mealquest.ops.cli import doctor
from mealquest.recovery.cli import tasks
from mealquest.recovery.stripe_cli import stripe
from mealquest.strategy.agent.cli import agent
from mealquest.tenancy.moves.cli import tenant


@click.command("worker")
@click.option("--burst", is_flag=True, help="Stop when nothing is left to do.")
@click.option(
    "--queue",
    "queues",
    type=click.Choice(QUEUES),
    multiple=True,
    default=QUEUES,
    help="Serve this queue only; may be repeated. All by default.",
)
def worker(burst: bool, queues: tuple[str, ...]) -> None:
    """Run background jobs."""
    from jobs.worker import work

    if not burst:
        _tell_figures()
    work(_app(), burst=burst, queues=queues)


@click.command("scheduler")
def scheduler() -> None:
    """Ring the bells of due rows; any number may run, one leads."""
    from jobs.schedule import run

    _tell_figures()
    run(_app())


@click.command("declared-routes")
def declared_routes() -> None:
    """List every declared route with its roles, scope and gate."""
    for endpoint in sorted(_app().extensions["endpoints"].values(), key=lambda e: e.full_name):
        who = ",".join(sorted(endpoint.roles)) if endpoint.roles else "everybody"
        gate = endpoint.gate or ("-" if not endpoint.mutates else f"ungated: {endpoint.ungated}")
        for face, url in endpoint.urls:
            click.echo(
                f"{endpoint.method:6} {url:38} {face.value:4} {who:28}"
                f" {endpoint.scope.value:6} {gate}"
            )


@click.group("customers")
def customers() -> None:
    """What concerns customers of every merchant."""


@customers.command("seal")
def seal() -> None:
    """Encrypt names and phones that older versions left under no key of their customer's."""
    from mealquest.identity.service import seal_customers

    total = in_turns(seal_customers, rounds=10_000_000)
    click.echo(f"sealed {total} customers")


@click.group("keys")
def keys() -> None:
    """The keyring of MQ_ENCRYPTION_KEYS."""


@keys.command("turn")
def turn() -> None:
    """Seal again what lies under older keys; all zeros: nothing does any more."""
    from jobs.housekeeping import turn_keys

    for what, count in turn_keys().items():
        click.echo(f"{count:8} {what}")


def install(app: Flask) -> None:
    for command in (
        worker,
        scheduler,
        declared_routes,
        onboard_merchant,
        demo,
        legacy,
        audit,
        doctor,
        customers,
        keys,
        agent,
        tasks,
        stripe,
        tenant,
    ):
        app.cli.add_command(command)


def _tell_figures() -> None:
    settings = _app().config["SETTINGS"]
    try:
        tell_figures(settings.bind_host, settings.metrics_port)
    except OSError as refused:
        raise click.ClickException(f"MQ_METRICS_PORT={settings.metrics_port}: {refused}") from None


def _app() -> Flask:
    app: Flask = current_app._get_current_object()  # type: ignore[attr-defined]
    return app
