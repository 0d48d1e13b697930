"""`flask --app app stripe …`: what the operator sets up at Stripe, once and on purpose."""

import click

from mealquest.recovery import endpoints
from mealquest.recovery.endpoints import NoPublicAddress
from mealquest.recovery.errors import StripeFailed


@click.group("stripe")
def stripe() -> None:
    """The platform's account at Stripe."""


@stripe.command("webhooks")
def webhooks() -> None:
    """Register the two webhook endpoints; prints a new one's secret, this once."""
    try:
        for one in endpoints.register():
            click.echo(f"{one.what:8}{one.url}")
            if one.secret:
                click.echo(f"        secret: {one.secret}  (add it to STRIPE_WEBHOOK_SECRET)")
    except (NoPublicAddress, StripeFailed) as failure:
        raise click.ClickException(str(failure)) from None
