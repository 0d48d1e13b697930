"""Kinds of input that more than one feature takes."""

from mealquest.core.wire import Input, Remark


class Told(Input):
    note: Remark = ""


def test_a_remark_is_kept_without_phones_and_addresses():
    typed = "for Mei, +8613900000001 or 13900000002, mei@example.org; table 12, order 4711"
    assert Told(note=typed).note == "for Mei, … or …, … table 12, order 4711"
