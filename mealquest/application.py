"""Put the product together: settings, database, bells, the frame, every feature's routes."""

from pathlib import Path
from typing import Any

from flask import Flask
from flask_migrate import Migrate

from mealquest import cli, models  # noqa: F401 - registers every table
from mealquest.alliance import service as alliances
from mealquest.alliance.debt_views import feature as debts
from mealquest.alliance.sync_views import feature as alliance_customers
from mealquest.alliance.views import feature as alliance
from mealquest.alliance.word_views import feature as alliance_words
from mealquest.audit.views import feature as audit
from mealquest.campaigns import service as campaigning
from mealquest.campaigns.lift_word_views import feature as lift_words
from mealquest.campaigns.replay_views import feature as campaign_replays
from mealquest.campaigns.stop_views import feature as campaign_stops
from mealquest.campaigns.views import feature as campaigns
from mealquest.campaigns.word_views import feature as campaign_words
from mealquest.core import db as database
from mealquest.core.bells import Bells
from mealquest.core.crypto import Keyring
from mealquest.core.database_settings import own_databases
from mealquest.core.places import HOME
from mealquest.core.settings import Settings
from mealquest.core.telemetry import configure_logging
from mealquest.engines.service import SandboxStripe
from mealquest.identity.code_views import feature as customer_codes
from mealquest.identity.profile_views import feature as profiles
from mealquest.identity.social_views import feature as social
from mealquest.identity.staff_views import feature as staff
from mealquest.identity.views import feature as identity
from mealquest.invoices.views import feature as invoices
from mealquest.onboarding.views import feature as onboarding
from mealquest.ops.board_views import feature as board
from mealquest.ops.views import feature as ops
from mealquest.payments.desk_views import feature as desk
from mealquest.payments.outside_views import feature as outside
from mealquest.payments.receipt_views import feature as receipts
from mealquest.payments.receivable_views import feature as receivables
from mealquest.payments.refund_views import feature as refunds
from mealquest.payments.views import feature as payments
from mealquest.privacy.views import feature as privacy
from mealquest.realtime.views import feature as realtime
from mealquest.realtime.views import install as install_sockets
from mealquest.recovery.case_views import feature as recovery_cases
from mealquest.recovery.charge_views import feature as recovery_charges
from mealquest.recovery.connect_views import feature as stripe_connection
from mealquest.recovery.dashboard_views import feature as recovery
from mealquest.recovery.merchant_views import feature as merchants
from mealquest.recovery.payer_views import feature as payer
from mealquest.recovery.recovery_word_views import feature as recovery_words
from mealquest.recovery.sequence_views import feature as sequence
from mealquest.recovery.suppression_views import feature as suppressions
from mealquest.recovery.task_views import feature as recovery_tasks
from mealquest.recovery.webhook_views import feature as webhooks
from mealquest.recovery.worker_views import feature as recovery_workers
from mealquest.sandbox.model_views import feature as sandbox_model
from mealquest.sandbox.stripe_views import feature as sandbox_stripe
from mealquest.sandbox.views import feature as sandbox
from mealquest.state import service as states
from mealquest.state.views import feature as state
from mealquest.strategy import service as strategising
from mealquest.strategy.chat_views import feature as strategy_chat
from mealquest.strategy.plan_views import feature as strategy_plans
from mealquest.strategy.replay_views import feature as strategy_replays
from mealquest.strategy.views import feature as strategy
from mealquest.strategy.word_views import feature as strategy_words
from mealquest.suppliers.import_views import feature as order_imports
from mealquest.suppliers.partner_views import feature as partners
from mealquest.suppliers.views import feature as suppliers
from mealquest.suppliers.word_views import feature as supplier_words
from mealquest.tenancy import service as tenants
from mealquest.tenancy.contract_views import feature as contract
from mealquest.tenancy.move_views import feature as migration
from mealquest.tenancy.policy_views import feature as tenant_policy
from mealquest.tenancy.views import feature as tenancy
from mealquest.wallet import service as wallets
from mealquest.wallet.holdings_views import feature as holdings
from mealquest.wallet.ledger_views import feature as ledger
from mealquest.wallet.moving_in_views import feature as moving_in
from mealquest.wallet.top_up_views import feature as top_ups
from mealquest.wallet.views import feature as wallet
from mealquest.web import install as web

ROOT = Path(__file__).resolve().parent.parent
FEATURES = (
    audit,
    tenancy,
    contract,
    tenant_policy,
    migration,
    identity,
    staff,
    customer_codes,
    profiles,
    social,
    realtime,
    wallet,
    ledger,
    top_ups,
    holdings,
    moving_in,
    alliance,
    alliance_customers,
    alliance_words,
    debts,
    state,
    payments,
    desk,
    outside,
    refunds,
    receivables,
    receipts,
    invoices,
    suppliers,
    supplier_words,
    partners,
    order_imports,
    campaigns,
    campaign_stops,
    campaign_words,
    campaign_replays,
    lift_words,
    strategy,
    strategy_chat,
    strategy_plans,
    strategy_words,
    strategy_replays,
    recovery,
    recovery_cases,
    recovery_charges,
    recovery_words,
    stripe_connection,
    merchants,
    webhooks,
    payer,
    sequence,
    suppressions,
    recovery_tasks,
    recovery_workers,
    privacy,
    onboarding,
    sandbox,
    sandbox_model,
    sandbox_stripe,
    ops,
    board,
)

# What GET /api/state shows of features that stand behind it: each names its reader here.
STATE_SOURCES = states.Sources(
    campaigns=campaigning.state_rows,
    proposals=strategising.state_proposals,
    strategy_configs=strategising.state_configs,
    activities=campaigning.activities,
)

# A database host that is gone without a word is given up in half a minute, not in hours.
VANISHED = {
    "keepalives_idle": 15,
    "keepalives_interval": 5,
    "keepalives_count": 3,
    "tcp_user_timeout": 30_000,
}


def create_app(
    settings: Settings,
    *,
    db_url: str,
    admin_url: str,
    redis_url: str,
    stripe: SandboxStripe | None = None,
) -> Flask:
    """The application over one database and one Redis, which the caller has found or started.

    `stripe` stands for the real one in development.
    """
    configure_logging(settings.log_level)
    app = Flask(
        "mealquest",
        root_path=str(ROOT),
        static_folder=None,
        template_folder=str(ROOT / "templates"),
    )
    app.config["SETTINGS"] = settings
    app.config |= _stripe_of(settings, stripe)
    app.extensions["keyring"] = Keyring(settings.keyring)
    _connect(app, settings, db_url, admin_url, redis_url)
    tenants.read_default_limits(app, settings)
    web.install(app, FEATURES, settings, redis_url, ROOT)
    install_sockets(app, settings, redis_url)
    states.install(app, STATE_SOURCES)
    wallets.share_by(app, wallets.Agreements(alliances.scope_of, alliances.bring_customer))
    cli.install(app)
    return app


def _stripe_of(settings: Settings, sandbox: SandboxStripe | None) -> dict[str, Any]:
    """Where Stripe is and what opens it."""
    if sandbox is None:
        return {
            "STRIPE_API_BASE": settings.stripe_api_base,
            "STRIPE_CONNECT_BASE": settings.stripe_connect_base,
            "STRIPE_SECRET_KEY": settings.stripe_secret_key,
            "STRIPE_CLIENT_ID": settings.stripe_client_id,
            "STRIPE_WEBHOOK_SECRETS": settings.stripe_webhook_secrets,
            "STRIPE_SANDBOX_URL": None,
        }
    return {
        "STRIPE_API_BASE": sandbox.url,
        "STRIPE_CONNECT_BASE": sandbox.url,
        "STRIPE_SECRET_KEY": sandbox.key,
        "STRIPE_CLIENT_ID": sandbox.client_id,
        "STRIPE_WEBHOOK_SECRETS": (sandbox.webhook_secret, *settings.stripe_webhook_secrets),
        "STRIPE_SANDBOX_URL": sandbox.url,
    }


def _connect(app: Flask, settings: Settings, db_url: str, admin_url: str, redis_url: str) -> None:
    connect_args: dict[str, Any] = {
        "application_name": "mealquest",
        "connect_timeout": 5,
        **VANISHED,
    }
    if settings.behind_pooler:  # the next transaction may be on a connection that prepared nothing
        connect_args["prepare_threshold"] = None
    if settings.db_schema != "public":
        connect_args["options"] = f"-csearch_path={settings.db_schema}"
    app.config["SQLALCHEMY_DATABASE_URI"] = database.sqlalchemy_url(db_url)
    app.config["SQLALCHEMY_ENGINE_OPTIONS"] = {
        "pool_size": settings.db_pool_max,
        "max_overflow": 0,
        "pool_timeout": 10,
        "hide_parameters": True,  # values of a statement that failed belong in no log
        "connect_args": connect_args,
    }
    app.config["MIGRATION_URL"] = admin_url
    app.config["MIGRATION_URLS"] = {HOME: (admin_url, db_url)} | own_databases(settings, db_url)
    app.config["DIRECT_URL"] = database.sqlalchemy_url(settings.db_direct_url or db_url)
    database.connect(app, settings.tenant_databases, settings.tenant_db_pool_max)
    Migrate(app, database.db, directory=str(ROOT / "migrations"))
    app.extensions["bells"] = Bells(redis_url)
    database.ring_with(app, app.extensions["bells"].ring)
