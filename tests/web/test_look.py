"""How pages print what was added to a wallet, and what was taken from it."""

from decimal import Decimal

import pytest

from mealquest.web.look import signed


@pytest.mark.parametrize(
    ("language", "added", "taken", "nothing"),
    [
        ("en", "CNY +1,052.50", "CNY -52.00", "CNY 0.00"),
        ("zh_Hans", "+¥1,052.50", "-¥52.00", "¥0.00"),
    ],
)
def test_a_sign_stands_in_the_same_place_for_more_and_for_less(
    app, language, added, taken, nothing
):
    with app.test_request_context(headers={"Cookie": f"mq_locale={language}"}):
        printed = [signed(Decimal(sum_), "CNY") for sum_ in ("1052.5", "-52", "0")]
    assert printed == [added, taken, nothing]
