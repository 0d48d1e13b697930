"""That a merchant's audit is what was sealed."""

from mealquest.audit import sealing
from mealquest.core.checks import Check, Finding


def _broken(merchant_id: str) -> list[Finding]:
    verdict = sealing.check(merchant_id)
    if verdict.why is None:
        return []
    return [Finding(merchant_id, f"entry {verdict.broken_seq}", verdict.why.value)]


CHECKS = (Check("audit_chain", "the audit is what was sealed", _broken),)
