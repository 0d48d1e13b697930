"""Rules about the code itself: sizes, transactions, platform users, migrations, queues."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "mealquest").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])

# Who may cross merchants, and nobody else. Add a name here only with a reason in its docstring.
PLATFORM_USERS = {
    "mealquest/campaigns/birthdays:has_due",
    "mealquest/campaigns/birthdays:look",
    "mealquest/campaigns/inactivity:has_due",
    "mealquest/campaigns/inactivity:look",
    "mealquest/campaigns/replay_working:has_due",
    "mealquest/campaigns/replay_working:work_due",
    "mealquest/core/idempotency:purge_old",
    "mealquest/audit/sealing:_count_broken",
    "mealquest/audit/sealing:has_due",
    "mealquest/audit/sealing:merchants",
    "mealquest/audit/sealing:tend_due",
    "mealquest/core/outbox:_claim",
    "mealquest/core/outbox:_deliver",
    "mealquest/core/outbox:deliver_due",
    "mealquest/core/outbox:has_due",
    "mealquest/core/outbox:purge_delivered",
    "mealquest/identity/codes:redeem",
    "mealquest/identity/personal:wrap_again",
    "mealquest/identity/sealing:seal_customers",
    "mealquest/identity/sessions:purge_sessions",
    "mealquest/realtime/service:purge_old",
    "mealquest/ops/doctor:_late",
    "mealquest/ops/doctor:_open_tables",
    "mealquest/payments/outside:expire_due",
    "mealquest/payments/refunds:has_due",
    "mealquest/payments/refunds:send_due",
    "mealquest/privacy/making:has_due",
    "mealquest/privacy/making:make_due",
    "mealquest/privacy/making:purge_expired",
    "mealquest/strategy/retention:purge_old",
    "mealquest/strategy/threads:end_due",
    "mealquest/recovery/chains:_begin",
    "mealquest/recovery/chains:missing",
    "mealquest/recovery/janitor:_delete",
    "mealquest/recovery/janitor:_delete_states",
    "mealquest/recovery/working:_begins",
    "mealquest/recovery/working:_end",
    "mealquest/recovery/working:_give_back",
    "mealquest/recovery/working:_renew",
    "mealquest/recovery/working:rescue",
    "mealquest/recovery/queue_figures:by_merchant",
    "mealquest/recovery/queue_figures:by_type",
    "mealquest/recovery/queue_figures:counts",
    "mealquest/recovery/queue_figures:overdue",
    "mealquest/recovery/queue_figures:parked",
    "mealquest/recovery/queue_figures:unvacuumed",
    "mealquest/recovery/task_acts:_delete_some",
    "mealquest/recovery/task_acts:_page",
    "mealquest/recovery/task_acts:whose",
    "mealquest/recovery/activity:of_all",
    "mealquest/recovery/dashboard:of_all",
    "mealquest/recovery/metering:_round",
    "mealquest/recovery/metering:late",
    "mealquest/recovery/tasks:claim",
    "mealquest/recovery/tasks:has_due",
    "mealquest/strategy/turns:_end_late",
    "mealquest/strategy/turns:answer_due",
    "mealquest/strategy/turns:has_due",
    "mealquest/tenancy/accounts:accounts",
    "mealquest/tenancy/accounts:merchant_billed_as",
    "mealquest/tenancy/accounts:merchant_of_account",
    "mealquest/tenancy/accounts:seal_tokens_again",
    "mealquest/tenancy/service:catalog",
    "mealquest/wallet/expiry:expire_due",
    "mealquest/wallet/expiry:has_due",
}


@cache
def functions(path: Path) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    nodes = ast.walk(ast.parse(path.read_text()))
    return [node for node in nodes if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]


def test_modules_and_functions_stay_small() -> None:
    large = []
    for path in SOURCES:
        if (lines := len(path.read_text().splitlines())) > 330:
            large.append(f"{path}: {lines} lines, split it by use case")
        for node in functions(path):
            if (size := (node.end_lineno or 0) - node.lineno + 1) > 60:
                large.append(f"{path}: {node.name} has {size} lines")
    assert large == []


def test_only_the_named_functions_cross_merchants() -> None:
    users = set()
    for path in SOURCES:
        for node in functions(path):
            calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
            if any(getattr(c.func, "id", "") == "platform_transaction" for c in calls):
                users.add(f"{path.relative_to(ROOT).with_suffix('').as_posix()}:{node.name}")
    assert users == PLATFORM_USERS


def test_the_database_is_entered_by_transactions_only() -> None:
    allowed = {"mealquest/core/db.py", "mealquest/launch.py", "jobs/schedule.py"}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name not in allowed:
            assert not re.search(r"db\.(session|engine)\b", path.read_text()), (
                f"{name}: use transaction() or platform_transaction()"
            )


def test_there_is_one_migration_head_and_names_are_numbered() -> None:
    files = sorted((ROOT / "migrations/versions").glob("*.py"))
    for number, path in enumerate(files, start=1):
        assert path.stem.startswith(f"{number:04d}_"), path
    downs = [re.search(r"^down_revision = (.+)$", p.read_text(), re.M)[1] for p in files]
    assert downs == ["None", *(f'"{p.stem}"' for p in files[:-1])]


def test_every_migration_limits_how_long_it_waits_for_a_lock() -> None:
    for path in (ROOT / "migrations/versions").glob("*.py"):
        assert "lock_timeout" in path.read_text(), path


def test_every_bell_names_a_job_that_exists_and_every_queue_has_a_worker() -> None:
    from importlib import import_module

    from jobs.worker import QUEUES
    from mealquest.core.bells import JOBS, QUEUE, QUEUE_OF

    assert {QUEUE, *QUEUE_OF.values()} <= set(QUEUES)
    assert QUEUE_OF.keys() <= JOBS.keys()
    for target in JOBS.values():
        module, _, name = target.rpartition(".")
        assert callable(getattr(import_module(module), name)), target


def test_every_bell_rung_is_one_the_tick_rings_too() -> None:
    from jobs.schedule import duties
    from mealquest.core.bells import JOBS

    assert {duty.bell for duty in duties()} == set(JOBS)


def test_no_template_has_inline_script_or_style() -> None:
    for path in (ROOT / "templates").rglob("*.html"):
        text = path.read_text()
        assert not re.search(r"<script(?![^>]*\bsrc=)", text), path
        assert not re.search(r"<style|\sstyle=|\son[a-z]+=", text), path
