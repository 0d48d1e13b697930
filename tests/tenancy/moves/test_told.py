"""A request that died after the switch: somebody else says that it happened, once."""

import pytest

from mealquest.audit.models import AuditRow
from mealquest.core.db import transaction
from mealquest.tenancy import service as tenancy
from mealquest.tenancy.moves import acts
from tests.factories.requests import OWNER

pytestmark = pytest.mark.xdist_group("moves")
LATER = "UPDATE tenant_moves SET moved_at = moved_at - interval '5 min' WHERE merchant_id = %s"


def said(merchant_id: str) -> int:
    with transaction(merchant_id) as session:
        return session.query(AuditRow).filter_by(action="MIGRATION_CUTOVER").count()


def test_a_switch_that_nobody_told_of_is_told_of_once(pair, shop) -> None:
    merchant_id = shop.merchant_id
    acts.switch_over(merchant_id, OWNER)
    assert tenancy.migration_status(merchant_id).migration.phase == "RUNNING"
    assert tenancy.note_ends() == 0  # its request may still be on its way

    with pair.at_home() as at_home:
        at_home.execute(LATER, [merchant_id])
    assert tenancy.note_ends() == 1
    status = tenancy.migration_status(merchant_id)
    assert (status.migration.phase, status.migration.step) == ("CUTOVER", "UNFREEZE_WRITE")
    assert said(merchant_id) == 1
    assert tenancy.note_ends() == 0
    shop.require_complete()
    tenancy.rollback(merchant_id, OWNER)  # the other tests find nothing of this one
