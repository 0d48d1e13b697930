"""The one screen that `python app.py` prints: where it is, who signs in, what is real."""

from pathlib import Path

import redis
from flask import Flask

from mealquest.core.db import databases
from mealquest.core.settings import Settings
from mealquest.engines.service import Endpoints
from mealquest.identity import service as identity
from mealquest.strategy.agent.config import ModelConfig


def text(app: Flask, found: Endpoints, *, log: Path | None) -> str:
    settings: Settings = app.config["SETTINGS"]
    lines = [
        "",
        f"  MealQuest is ready: {settings.base_url}",
        "",
        f"  database   PostgreSQL, {_whose(found.db_url)}",
        *_own_databases(app),
        f"  queue      Valkey/Redis, {_queue(app, found)}",
        f"  SMS        {_sms(settings)}",
        f"  mail       {_mail(settings)}",
        f"  AI model   {_model(settings)}",
        f"  Stripe     {_stripe(settings, found)}",
        f"  data in    {settings.data_dir.absolute()}",
    ]
    if log:
        lines.append(f"  log        {log}")
    if not settings.run_worker:
        lines.append("  no worker, no scheduler: MQ_RUN_WORKER is off")
    with app.app_context():
        people = identity.demo_people()
    if people:
        lines += ["", "  Sign in with a phone below; the code is shown on the page:"]
        lines += [f"    {who.phone}  {who.merchant_name}, {who.role}" for who in people]
    return "\n".join([*lines, "", "  Ctrl-C stops everything and loses nothing.", ""])


def _whose(embedded_url: str | None) -> str:
    return "embedded" if embedded_url else "yours"


def _own_databases(app: Flask) -> list[str]:
    """Databases of merchants' own. One that is away holds nobody else up."""
    settings: Settings = app.config["SETTINGS"]
    with app.app_context():
        down = {
            name
            for name in settings.tenant_databases
            if (watch := databases().named(name).watch) and watch.look()
        }
        databases().end()
    return [
        f"             {name}: {address}{', NOT AVAILABLE' if name in down else ''}"
        for name, address in settings.shown_databases.items()
    ]


def _queue(app: Flask, found: Endpoints) -> str:
    """Whose it is; an operator's that does not answer holds nothing up but background work."""
    try:
        app.extensions["bells"].connection.ping()
    except redis.RedisError as away:
        return f"{_whose(found.redis_url)}: DOES NOT ANSWER ({type(away).__name__}); work waits"
    return _whose(found.redis_url)


def _sms(settings: Settings) -> str:
    return _edge(settings, "your webhook" if settings.sms_webhook_url else "not sent")


def _mail(settings: Settings) -> str:
    return _edge(settings, "Resend" if settings.resend_api_key else "not sent")


def _model(settings: Settings) -> str:
    model = ModelConfig.of(settings)
    if model.is_sandbox:
        return "sandbox: rules over the shop's figures, no language model"
    if model.is_local:
        return f"{model.model} inside the worker: very small, and often wrong"
    key = "" if model.is_configured else ", without a key"
    return f"{model.model} at {model.shown_url}{key}"


def _stripe(settings: Settings, found: Endpoints) -> str:
    if found.stripe:
        return f"sandbox, no money moves: {found.stripe.url}"
    if not settings.stripe_secret_key:
        return "not configured"
    kind = "live" if settings.stripe_is_live else "test"
    return f"yours at {settings.stripe_api_base}, {kind} mode"


def _edge(settings: Settings, sent: str) -> str:
    return f"{sent}, shown at {settings.base_url}/dev/outbox" if settings.is_development else sent
