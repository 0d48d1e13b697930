"""What the doctor asks about recovery. None of it belongs to one merchant's books."""

from mealquest.core.checks import MOST_FINDINGS, Check, Finding
from mealquest.recovery import chains, metering, queue_figures, working


def _overdue(_: str) -> list[Finding]:
    return [
        Finding(row.merchant_id, str(row.id), f"its lease ran out at {row.lease_until}")
        for row in queue_figures.overdue(MOST_FINDINGS)
    ]


def _rescue(_: Finding) -> str:
    return f"{working.rescue()} taken from their workers"


def _missing(_: str) -> list[Finding]:
    return [
        Finding(task.merchant_id, task.type.value, "no live task of this chain")
        for task in chains.missing()
    ]


def _begin(_: Finding) -> str:
    return f"{chains.ensure()} chains begun"


def _unvacuumed(_: str) -> list[Finding]:
    return [
        Finding("", table, "autovacuum_vacuum_scale_factor is not as the migration set it")
        for table in queue_figures.unvacuumed()
    ]


def _untold(_: str) -> list[Finding]:
    late = metering.late()
    return [Finding("", "usage_logs", f"{late} mails of more than a day ago")] if late else []


CHECKS = (
    Check("recovery_leases", "no task runs past its lease for five minutes", _overdue, fix=_rescue),
    Check("recovery_chains", "every chain of tasks has a live link", _missing, fix=_begin),
    Check("recovery_usage", "Stripe's meter knows of every mail within a day", _untold),
    Check("recovery_vacuum", "dead rows of the queue are cleared early", _unvacuumed),
)
