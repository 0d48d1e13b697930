import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.suppliers.domain import NEXT, Amounts, Match, OrderStatus, Reason, judge, may_become

amounts = st.integers(0, 10_000)
maybe = st.none() | amounts


@settings(max_examples=200)
@given(amounts, maybe, maybe, st.integers(0, 500))
def test_a_match_is_what_every_pair_of_known_amounts_says(ordered, delivered, invoiced, tolerance):
    known = [n for n in (ordered, delivered, invoiced) if n is not None]
    differs = any(abs(a - b) > tolerance for a in known for b in known)

    match = Amounts(ordered, delivered, invoiced).match(tolerance)

    assert (match is Match.DIFFERENCE) == differs
    if not differs:
        assert (match is Match.MATCHED) == (len(known) == 3)


@settings(max_examples=100)
@given(st.sampled_from(OrderStatus), amounts, amounts, st.booleans())
def test_an_order_counts_when_it_is_paid_large_enough_and_not_used(status, amount, least, used):
    counts = status is OrderStatus.PAID and amount >= least and not used
    assert (judge(status, amount, least, used=used) is None) == counts


def test_the_first_reason_is_that_it_was_used():
    assert judge(OrderStatus.CANCELLED, 1, 5, used=True) is Reason.ALREADY_VERIFIED
    assert judge(OrderStatus.CANCELLED, 1, 5, used=False) is Reason.NOT_PAID
    assert judge(OrderStatus.PAID, 1, 5, used=False) is Reason.BELOW_MIN_SPEND


@pytest.mark.parametrize("status", OrderStatus)
def test_saying_the_same_again_is_always_allowed_and_a_refund_is_the_end(status):
    assert may_become(status, status)
    assert OrderStatus.REFUNDED not in NEXT
    assert not may_become(OrderStatus.PAID, OrderStatus.CREATED)
