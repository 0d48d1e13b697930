"""Rules about the code itself: sizes, transactions, platform users, migrations, queues."""

import ast
import re
from functools import cache
from pathlib import Path

ROOT = Path(__file__).parents[2]
SOURCES = sorted([*(ROOT / "mealquest").rglob("*.py"), *(ROOT / "jobs").rglob("*.py")])

# Who may cross merchants, and nobody else. Add a name here only with a reason in its docstring.
PLATFORM_USERS = {
    "mealquest/audit/sealing:_broken",
    "mealquest/audit/sealing:_merchants",
    "mealquest/audit/sealing:_tend_due",
    "mealquest/core/directory:_own_rows",
    "mealquest/ops/doctor:_late_here",
    "mealquest/ops/doctor:_open_here",
    "mealquest/recovery/activity:_newest_here",
    "mealquest/recovery/chains:_where_they_are",
    "mealquest/recovery/dashboard:_of_one_database",
    "mealquest/recovery/metering:_late",
    "mealquest/recovery/queue_figures:_rows",
    "mealquest/recovery/queue_figures:_unvacuumed_here",
    "mealquest/recovery/task_acts:_owner_here",
    "mealquest/recovery/task_acts:_page_here",
    "mealquest/recovery/working:_rescue",
    "mealquest/campaigns/birthdays:has_due",
    "mealquest/campaigns/birthdays:look",
    "mealquest/campaigns/inactivity:has_due",
    "mealquest/campaigns/inactivity:look",
    "mealquest/campaigns/replay_working:has_due",
    "mealquest/campaigns/replay_working:work_due",
    "mealquest/core/idempotency:purge_old",
    "mealquest/audit/sealing:has_due",
    "mealquest/core/outbox:_claim",
    "mealquest/core/outbox:_deliver",
    "mealquest/core/outbox:deliver_due",
    "mealquest/core/outbox:has_due",
    "mealquest/core/outbox:purge_delivered",
    "mealquest/identity/personal:wrap_again",
    "mealquest/identity/sealing:seal_customers",
    "mealquest/identity/sealing:seal_staff_again",
    "mealquest/identity/sessions:purge_sessions",
    "mealquest/realtime/service:purge_old",
    "mealquest/ops/figures:_waiting",
    "mealquest/payments/outside:expire_due",
    "mealquest/payments/refunds:has_due",
    "mealquest/payments/refunds:send_due",
    "mealquest/privacy/making:has_due",
    "mealquest/privacy/making:make_due",
    "mealquest/privacy/making:purge_expired",
    "mealquest/strategy/retention:purge_old",
    "mealquest/strategy/threads:end_due",
    "mealquest/recovery/janitor:_delete",
    "mealquest/recovery/janitor:_delete_states",
    "mealquest/recovery/working:_begins",
    "mealquest/recovery/working:_end",
    "mealquest/recovery/working:_give_back",
    "mealquest/recovery/working:_renew",
    "mealquest/recovery/queue_figures:counts",
    "mealquest/recovery/task_acts:_delete_some",
    "mealquest/recovery/metering:_round",
    "mealquest/recovery/tasks:claim",
    "mealquest/recovery/tasks:has_due",
    "mealquest/strategy/turns:_end_late",
    "mealquest/strategy/turns:answer_due",
    "mealquest/strategy/turns:has_due",
    "mealquest/tenancy/accounts:seal_tokens_again",
    "mealquest/tenancy/contract:seal_contracts_again",
    "mealquest/wallet/expiry:expire_due",
    "mealquest/wallet/expiry:has_due",
    "mealquest/wallet/settlement_days:close_due",
    "mealquest/wallet/settlement_days:has_due",
}

# Who looks at home for merchants wherever they are. What decides is read where a merchant lies.
DIRECTORY_USERS = {
    "mealquest/core/directory:differences",
    "mealquest/core/directory:follow",
    "mealquest/core/directory:reserve",
    "mealquest/identity/codes:redeem",
    "mealquest/tenancy/accounts:accounts",
    "mealquest/tenancy/accounts:merchant_billed_as",
    "mealquest/tenancy/accounts:merchant_of_account",
    "mealquest/tenancy/moves/status:require_merchant",
    "mealquest/tenancy/naming:merchants_called",
    "mealquest/tenancy/naming:public_names",
    "mealquest/tenancy/opening:claimed",
    "mealquest/tenancy/opening:exists",
    "mealquest/tenancy/service:catalog",
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


def _users(transaction: str) -> set[str]:
    users = set()
    for path in SOURCES:
        for node in functions(path):
            calls = [n for n in ast.walk(node) if isinstance(n, ast.Call)]
            if any(getattr(c.func, "id", "") == transaction for c in calls):
                users.add(f"{path.relative_to(ROOT).with_suffix('').as_posix()}:{node.name}")
    return users


def test_only_the_named_functions_cross_merchants() -> None:
    assert _users("platform_transaction") == PLATFORM_USERS
    assert _users("directory_transaction") == DIRECTORY_USERS


def test_the_database_is_entered_by_transactions_only() -> None:
    allowed = {"mealquest/core/db.py", "mealquest/launch.py"}
    for path in SOURCES:
        name = path.relative_to(ROOT).as_posix()
        if name not in allowed:
            assert not re.search(r"db\.(session|engine)\b", path.read_text()), (
                f"{name}: use transaction() or platform_transaction()"
            )


def test_few_set_the_role_and_the_merchants_in_scope() -> None:
    """With bound values, so that nothing that was sent can reach them."""
    sets = re.compile(
        r"set_config\('|\b(SET|RESET) (LOCAL |SESSION )?ROLE\b|SESSION AUTHORIZATION|-crole="
    )
    found = {p.relative_to(ROOT).as_posix() for p in SOURCES if sets.search(_code_of(p))}
    assert found == {
        "mealquest/core/entering.py",
        "mealquest/core/places.py",
        "mealquest/strategy/agent/checkpoints.py",
    }


def _code_of(path: Path) -> str:
    """Without what is said about it."""
    tree = ast.parse(path.read_text())
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.ClassDef) and ast.get_docstring(
            node
        ):
            node.body = node.body[1:] or [ast.Pass()]
    return ast.unparse(tree)


def test_rows_to_be_claimed_are_chosen_once() -> None:
    """A subquery may be read again for each row it is joined to, and then goes past its LIMIT."""
    joined = re.compile(r'FROM \(SELECT(?:(?!""").)*SKIP LOCKED\)', re.S)
    for path in SOURCES:
        assert not joined.search(path.read_text()), f"{path}: WITH … AS MATERIALIZED"


def test_there_is_one_migration_head_and_names_are_numbered() -> None:
    files = sorted((ROOT / "migrations/versions").glob("*.py"))
    for number, path in enumerate(files, start=1):
        assert path.stem.startswith(f"{number:04d}_"), path
    downs = [re.search(r"^down_revision = (.+)$", p.read_text(), re.M)[1] for p in files]
    assert downs == ["None", *(f'"{p.stem}"' for p in files[:-1])]


def test_every_migration_limits_how_long_it_waits_for_a_lock() -> None:
    for path in (ROOT / "migrations/versions").glob("*.py"):
        text = path.read_text()
        assert "lock_timeout" in text, path
        if path.stem > "0028":  # less than the second after which a deadlock ends a payment
            assert set(re.findall(r"lock_timeout = '(\w+)'", text)) == {"500ms"}, path


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
