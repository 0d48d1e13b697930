"""Why nothing was brought in."""

from mealquest.core.errors import AppError

MOST_TOLD = 200


class LegacyRefused(AppError):
    """The snapshot cannot be brought in as it is; the message lists everything. Nothing changed."""

    code = "LEGACY_REFUSED"

    def __init__(self, source: str, problems: list[str]) -> None:
        told = problems[:MOST_TOLD]
        if len(problems) > len(told):
            told = [*told, f"and {len(problems) - len(told)} more"]
        lines = [f"{source} cannot be brought in; nothing was changed:"]
        super().__init__("\n".join([*lines, *(f"  - {line}" for line in told)]))
        self.problems = problems


class TotalsDiffer(AppError):
    """What was written does not sum to what was planned: everything is rolled back."""

    code = "LEGACY_TOTALS_DIFFER"
