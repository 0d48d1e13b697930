"""The library in words, in the language of whoever reads it."""

from collections.abc import Mapping
from typing import Any

from flask_babel import lazy_gettext

Words = tuple[Any, Any]  # a name and a description

TEMPLATE_TEXTS: Mapping[str, Words] = {
    "acquisition_welcome_gift": (
        lazy_gettext("Welcome gift"),
        lazy_gettext("Whoever comes in for the first time finds something in the wallet."),
    ),
    "acquisition_first_buy": (
        lazy_gettext("First order"),
        lazy_gettext("The first order is made easier, so that a visitor becomes a guest."),
    ),
    "acquisition_referral": (
        lazy_gettext("Guests bring guests"),
        lazy_gettext("A guest who brings a friend along is thanked for it."),
    ),
    "acquisition_cross_promo": (
        lazy_gettext("Together with a partner"),
        lazy_gettext("An order at a partner’s shop counts for something here."),
    ),
    "activation_member_day": (
        lazy_gettext("Members’ day"),
        lazy_gettext("One day that belongs to those who have a wallet."),
    ),
    "activation_walk_to_earn": (
        lazy_gettext("Walk and earn"),
        lazy_gettext("Steps of the day turn into change for the next meal."),
    ),
    "activation_contextual_drop": (
        lazy_gettext("Fits the weather"),
        lazy_gettext("Rain or heat is a reason to come in, for a few hours."),
    ),
    "activation_streak_bonus": (
        lazy_gettext("Day after day"),
        lazy_gettext("Who keeps coming back is rewarded for keeping at it."),
    ),
    "revenue_recharge_bonus": (
        lazy_gettext("More for topping up"),
        lazy_gettext("A larger top-up brings something on top."),
    ),
    "revenue_paybox": (
        lazy_gettext("Surprise after paying"),
        lazy_gettext("A payment opens a small box that leads to the next visit."),
    ),
    "revenue_dynamic_drop": (
        lazy_gettext("What must go now"),
        lazy_gettext("Too much of one dish becomes an offer for an hour."),
    ),
    "retention_birthday_gift": (
        lazy_gettext("Birthday"),
        lazy_gettext("A guest’s birthday is not forgotten."),
    ),
    "retention_recall_injection": (
        lazy_gettext("We miss you"),
        lazy_gettext("Guests who have stayed away for a month hear from the shop."),
    ),
}

BRANCH_TEXTS: Mapping[tuple[str, str], Words] = {
    ("acquisition_welcome_gift", "DEFAULT"): (
        lazy_gettext("For everybody new"),
        lazy_gettext("A dish on the house for guests who found the way themselves."),
    ),
    ("acquisition_welcome_gift", "CHANNEL"): (
        lazy_gettext("For guests who were sent"),
        lazy_gettext("A voucher for guests whom somebody recommended the shop to."),
    ),
    ("acquisition_first_buy", "DIRECT_DEDUCTION"): (
        lazy_gettext("Less to pay at once"),
        lazy_gettext("A small voucher before the first payment."),
    ),
    ("acquisition_first_buy", "BALANCE_CASHBACK"): (
        lazy_gettext("Money back into the wallet"),
        lazy_gettext("Bonus after the first payment, for the second visit."),
    ),
    ("acquisition_referral", "LOW_BARRIER"): (
        lazy_gettext("Thanks for each scan"),
        lazy_gettext("Change for every friend who scans the code."),
    ),
    ("acquisition_referral", "VALUE_DRIVEN"): (
        lazy_gettext("Thanks for the first order"),
        lazy_gettext("A discount card once the friend has ordered."),
    ),
    ("acquisition_cross_promo", "TRAFFIC"): (
        lazy_gettext("Any order counts"),
        lazy_gettext("Change for every order at the partner’s."),
    ),
    ("acquisition_cross_promo", "CONSUMPTION_RECIPROCITY"): (
        lazy_gettext("Larger orders count"),
        lazy_gettext("A dish on the house for larger orders at the partner’s."),
    ),
    ("activation_member_day", "ASSET_BOOM"): (
        lazy_gettext("Change for everybody"),
        lazy_gettext("Change in the wallet of everybody who opens it that day."),
    ),
    ("activation_member_day", "DISCOUNT_DAY"): (
        lazy_gettext("Discount for a day"),
        lazy_gettext("A discount card that makes the whole order cheaper."),
    ),
    ("activation_walk_to_earn", "EXCHANGE"): (
        lazy_gettext("A thousand steps"),
        lazy_gettext("A little change for a short walk."),
    ),
    ("activation_walk_to_earn", "LOTTO"): (
        lazy_gettext("Three thousand steps"),
        lazy_gettext("More change for a long walk."),
    ),
    ("activation_contextual_drop", "COMFORT"): (
        lazy_gettext("Warmth when it rains"),
        lazy_gettext("A card that tells of something hot while it rains."),
    ),
    ("activation_contextual_drop", "COOLING"): (
        lazy_gettext("Cool when it is hot"),
        lazy_gettext("A cold dish on the house from 32 degrees on."),
    ),
    ("activation_streak_bonus", "CUMULATIVE"): (
        lazy_gettext("Five visits"),
        lazy_gettext("Change for five check-ins, whatever lies between them."),
    ),
    ("activation_streak_bonus", "CHALLENGE"): (
        lazy_gettext("Seven days running"),
        lazy_gettext("A dish on the house for a week without a gap."),
    ),
    ("revenue_recharge_bonus", "TIERED_CASHBACK"): (
        lazy_gettext("Bonus on top"),
        lazy_gettext("Bonus for a top-up of 100 or more."),
    ),
    ("revenue_recharge_bonus", "ASSET_BUNDLE"): (
        lazy_gettext("A dish on top"),
        lazy_gettext("A dish on the house for a top-up of 100 or more."),
    ),
    ("revenue_paybox", "REBATE"): (
        lazy_gettext("A little for many"),
        lazy_gettext("Change after each payment of 30 or more."),
    ),
    ("revenue_paybox", "JACKPOT"): (
        lazy_gettext("Much for few"),
        lazy_gettext("A large bonus after a payment of 30 or more, while it lasts."),
    ),
    ("revenue_dynamic_drop", "TARGETED_DROP"): (
        lazy_gettext("The dish itself"),
        lazy_gettext("A voucher for the dish of which there is too much."),
    ),
    ("revenue_dynamic_drop", "BUNDLE_BINDING"): (
        lazy_gettext("Half off with others"),
        lazy_gettext("A card that halves an order, so that the dish goes along."),
    ),
    ("retention_birthday_gift", "ASSET_GIFT"): (
        lazy_gettext("A present on the day"),
        lazy_gettext("A dish on the house on the birthday itself."),
    ),
    ("retention_birthday_gift", "PRIVILEGE_UPGRADE"): (
        lazy_gettext("A month of one’s own"),
        lazy_gettext("A discount card in the month of the birthday."),
    ),
    ("retention_recall_injection", "LOSS_AVERSION"): (
        lazy_gettext("What is waiting"),
        lazy_gettext("A card that reminds of what still lies in the wallet."),
    ),
    ("retention_recall_injection", "FREE_GRANT"): (
        lazy_gettext("A gift to come back"),
        lazy_gettext("A voucher for guests who used to come often."),
    ),
}

STORIES: Mapping[str, Any] = {
    "activation_contextual_drop": lazy_gettext("It rains outside. Inside, the soup is hot."),
    "retention_recall_injection": lazy_gettext(
        "It has been a while. Something is still waiting in your wallet."
    ),
}

VOUCHER_NAMES: Mapping[str, Any] = {
    "acquisition_welcome_gift": lazy_gettext("Welcome"),
    "acquisition_first_buy": lazy_gettext("Off the first order"),
    "acquisition_referral": lazy_gettext("Thanks for a friend"),
    "acquisition_cross_promo": lazy_gettext("With our partner’s regards"),
    "activation_member_day": lazy_gettext("Members’ day"),
    "activation_contextual_drop": lazy_gettext("Something cold"),
    "activation_streak_bonus": lazy_gettext("Seven days running"),
    "revenue_recharge_bonus": lazy_gettext("Thanks for topping up"),
    "revenue_dynamic_drop": lazy_gettext("Dish of the hour"),
    "retention_birthday_gift": lazy_gettext("Happy birthday"),
    "retention_recall_injection": lazy_gettext("Good to see you again"),
}
