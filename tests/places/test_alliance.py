"""A store that lies in another database is listed, and nothing follows from it."""

import pytest

from mealquest.alliance import service as alliances
from mealquest.alliance.errors import NoInvitation
from mealquest.alliance.forms import AcceptForm, ConfigForm, SyncForm
from mealquest.core.db import transaction
from tests.factories.requests import OWNER
from tests.factories.rows import digest
from tests.places.conftest import HOT


def test_lists_across_databases_are_kept_and_have_no_effect(hot, calm) -> None:
    before = digest(HOT)
    for own, other in ((calm.merchant_id, HOT), (HOT, calm.merchant_id)):
        listing = ConfigForm(stores=[own, other], wallet_shared=True)
        assert alliances.set_config(own, listing, OWNER).stores == [own, other]
        if own == calm.merchant_id:
            assert digest(HOT) == before  # nobody reaches over

    for own in (calm.merchant_id, HOT):
        (link,) = alliances.links(own).items
        assert (link.obstacle, link.shares, link.state) == ("ELSEWHERE", False, None)
        with transaction(own) as session:
            assert alliances.scope_of(session, own) == alliances.WalletScope(False, own)
    with pytest.raises(NoInvitation):
        alliances.accept(HOT, AcceptForm(partner_id=calm.merchant_id), OWNER)
    synced = alliances.sync_user(HOT, SyncForm(user_id=hot.customer), OWNER)
    assert [one.reason for one in synced.left_out] == ["ELSEWHERE"]
