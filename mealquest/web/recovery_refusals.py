"""As `web.refusals`, of recovery."""

from typing import Any

from flask_babel import lazy_gettext

NOTHING = ""  # the heading of the page says it already

RECOVERY: dict[str, Any] = {
    # reminders to payers
    "this link does not work": lazy_gettext(
        "This link does not work. Use the button in the newest mail, or write to the shop."
    ),
    "invalid signature": lazy_gettext("This link was changed on its way, or is too old."),
    "this address is not on the list": lazy_gettext("This address is not on the list any more."),
    "the merchant has no e-mail address": lazy_gettext(
        "Enter the shop’s e-mail address in the settings first."
    ),
    "quiet hours need a beginning and an end": lazy_gettext(
        "Choose a beginning and an end of the quiet hours, or neither."
    ),
    "steps must name the attempts from 1 on, each once": lazy_gettext(
        "The steps must name the attempts from 1 on, each once."
    ),
    "retryAttempt must be 1, 2 or 3": lazy_gettext("Choose the first, second or third reminder."),
    # the account at Stripe, and the brand
    "Merchant not found": lazy_gettext("There is no such shop."),
    "Merchant is not connected to Stripe": lazy_gettext("No Stripe account is connected."),
    "STRIPE_CLIENT_ID is not configured": lazy_gettext(
        "Whoever runs this installation has to name its Stripe account first."
    ),
    "tick the box to disconnect": lazy_gettext("Tick the box if you really mean it."),
    "Stripe did not cancel the subscriptions, nothing was done": lazy_gettext(
        "Stripe did not cancel the subscriptions. Nothing was done; try again."
    ),
    "Stripe did not disconnect the account, nothing is erased": NOTHING,
    "the merchant was connected meanwhile, nothing is erased": NOTHING,
    "no valid field to update": lazy_gettext("Change something before you save."),
    "billingCountry must be an ISO 3166-1 alpha-2 code": lazy_gettext("Choose a country."),
    "brandColor must look like #1a2b3c": lazy_gettext("Choose a colour, such as #1a2b3c."),
    "logoUrl must start with https://": lazy_gettext(
        "The address of the logo begins with https://"
    ),
    "the monthly limit is reached, upgrade the plan to send more": lazy_gettext(
        "This month’s reminders are used up. A larger plan has more."
    ),
    "the queue holds as many tasks as the plan includes, upgrade it for more": lazy_gettext(
        "As many reminders wait as the plan includes. A larger one has more."
    ),
    "X-Merchant-Stripe-Id is not the merchant's": NOTHING,
    "invalid admin key": NOTHING,
}
