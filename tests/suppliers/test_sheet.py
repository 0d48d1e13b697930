"""Lists as spreadsheets write them, and as they should not be."""

import csv
import io
from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mealquest.core.errors import Invalid
from mealquest.suppliers.sheet import MOST_ROWS, read

SHANGHAI = ZoneInfo("Asia/Shanghai")
HEAD = "partnerId,orderId,amount,status,paidAt,delivered,invoiced\n"
ids = st.from_regex(r"\A[A-Za-z0-9][A-Za-z0-9._:#-]{0,20}\Z")


def orders(data: bytes | str, partner_id: str | None = None):
    sent = data.encode() if isinstance(data, str) else data
    return [line.order for line in read(sent, partner_id, SHANGHAI)]


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(ids, st.decimals("0.01", 9999, places=2)), min_size=1, max_size=5),
    st.sampled_from(["utf-8", "utf-8-sig", "gb18030"]),
    st.sampled_from([",", ";", "\t"]),
    st.sampled_from(["\n", "\r\n"]),
)
def test_what_is_written_is_what_is_read(rows, encoding, delimiter, newline):
    text = io.StringIO(newline="")
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline)
    writer.writerow(["备注", "Order ID", "订单金额"])
    writer.writerows(["好", order_id, amount] for order_id, amount in rows)

    found = orders(text.getvalue().encode(encoding), "coffee")

    assert [(o.order_id, o.amount) for o in found] == rows
    assert {(o.partner_id, o.status.value, o.paid_at) for o in found} == {("coffee", "PAID", None)}


def test_times_are_the_shops_unless_they_say_otherwise():
    lines = [
        "2026-03-01 08:00",
        "2026/3/1 8:00:00",
        "2026-03-01",
        "2026-03-01T00:00:00Z",
        "2026-03-01T02:00:00+02:00",
    ]
    text = HEAD + "".join(f"p,o-{n},1,PAID,{when},,\n" for n, when in enumerate(lines))
    first, second, day, utc, other = (order.paid_at for order in orders(text))
    assert first == second == utc == other == datetime(2026, 3, 1, tzinfo=UTC)
    assert day == datetime(2026, 2, 28, 16, tzinfo=UTC)


@pytest.mark.parametrize(
    ("row", "where"),
    [
        ("p,o 1,5,,,,", "rows.2.orderId"),
        ("p,,5,,,,", "rows.2.orderId"),
        (",o,5,,,,", "rows.2.partnerId"),
        ("p,o,0,,,,", "rows.2.amount"),
        ("p,o,1.234,,,,", "rows.2.amount"),
        ("p,o,'=1+1,,,,", "rows.2.amount"),
        ("p,o,5,LOST,,,", "rows.2.status"),
        ("p,o,5,,tomorrow,,", "rows.2.paidAt"),
        ("p,o,5,,2026-02-30 08:00,,", "rows.2.paidAt"),
        ("p,o,5,,9999-12-31,,", "rows.2.paidAt"),
        ("p,o,5,,,-1,", "rows.2.delivered"),
        ("p,o,5,,,,x", "rows.2.invoiced"),
        ("p,o", "rows.2.amount"),
    ],
)
def test_each_mistake_is_told_by_row_and_column(row, where):
    with pytest.raises(Invalid) as refused:
        orders(f"{HEAD}{row}\n")
    assert [error.field for error in refused.value.fields] == [where]


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "IMPORT_HEADER"),
        (b"hello", "IMPORT_HEADER"),
        (b"orderId,amount\no,1\n", "IMPORT_HEADER"),
        (b"partnerId,orderId,order,amount\np,o,o,1\n", "IMPORT_HEADER"),
        (HEAD.encode(), "IMPORT_EMPTY"),
        (HEAD.encode() + b",,,\n\n", "IMPORT_EMPTY"),
        (b"PK\x03\x04\x00\x00\xff\xff", "IMPORT_NO_TEXT"),
        (HEAD.encode("utf-16"), "IMPORT_NO_TEXT"),
        (HEAD.encode() + b'p,"o,1\n', "IMPORT_NO_CSV"),
        (HEAD.encode() + b"p,o,1\n" * (MOST_ROWS + 1), "IMPORT_TOO_LONG"),
    ],
)
def test_a_file_that_is_no_list_is_refused_as_a_whole(data, code):
    with pytest.raises(Invalid) as refused:
        orders(data)
    assert refused.value.reason == code


def test_many_mistakes_are_counted_and_some_are_told():
    with pytest.raises(Invalid) as refused:
        orders(HEAD + "p,o,x\n" * 200)
    assert refused.value.facts["wrongRows"] == 200
    assert len(refused.value.fields) == 50
