"""What the lists of activity, of invoices and of days take in."""

from enum import StrEnum
from typing import Annotated, Any

from pydantic import BeforeValidator

from mealquest.core.paging import MAX_LIMIT, ListForm, OptionalDay, PageSize, page_size
from mealquest.core.wire import Input, Key, Str, refuse
from mealquest.recovery.domain import CaseStatus, Metric


def _all_is_none(value: Any) -> Any:
    return None if value in {"", "all"} else value


def _one_of(kind: type[StrEnum], name: str) -> Any:
    def known(value: Any) -> Any:
        if value is not None and value not in set(kind):
            raise refuse(f"{name} is not known")
        return value

    return known


def _first_or_ninety(value: Any) -> int:
    return int(value) if str(value) in {"7", "30", "90"} else 30


def _contract_size(value: Any) -> int:
    return MAX_LIMIT if value in {None, ""} else page_size(value)


class ActivityForm(ListForm):
    """`metric_type`: `all`, or none, for every one."""

    metric_type: Annotated[
        Metric | None,
        BeforeValidator(_one_of(Metric, "metricType")),
        BeforeValidator(_all_is_none),
    ] = None
    from_day: OptionalDay = None
    to_day: OptionalDay = None


class ApiActivityForm(ActivityForm):
    limit: Annotated[PageSize, BeforeValidator(_contract_size)] = MAX_LIMIT


class CasesForm(ListForm):
    status: Annotated[
        CaseStatus | None,
        BeforeValidator(_one_of(CaseStatus, "status")),
        BeforeValidator(_all_is_none),
    ] = None
    decline: Annotated[Str, BeforeValidator(lambda value: value or "")] = ""
    from_day: OptionalDay = None
    to_day: OptionalDay = None


class CaseForm(Input):
    invoice_id: Key


class SpanForm(Input):
    """How many days the dashboard's figures are of."""

    days: Annotated[int, BeforeValidator(_first_or_ninety)] = 30
