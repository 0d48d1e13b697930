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
    # tasks, and invoices in recovery
    "Task not found": lazy_gettext("There is no such task here. Perhaps it was removed."),
    "only a failed task can be retried": lazy_gettext(
        "Only a task that has failed can be tried again. Look how it stands now."
    ),
    "another task for the same is waiting or running": lazy_gettext(
        "Another task does the same already, so this one was not taken up again."
    ),
    "the task is not running for this claim": lazy_gettext(
        "This task is not being worked on any more."
    ),
    "runAt must be within a year": lazy_gettext("Choose a moment within the next year."),
    "status of a new task cannot be chosen": lazy_gettext(
        "A new task always waits first; leave its state out."
    ),
    "payload holds a number that is out of range": lazy_gettext(
        "The details hold a number that is too large."
    ),
    "Invoice not found": lazy_gettext("No failed payment of this invoice is known here."),
    "no reminder of this invoice waits": lazy_gettext(
        "No reminder of this invoice waits any more, so there was nothing to send."
    ),
    # operators
    "operator access is not configured": lazy_gettext(
        "This installation has no operator key yet, so nobody can sign in here."
    ),
    "job not found": lazy_gettext(
        "This job is not there any more: it was done, deleted, or its minute is over."
    ),
    "only a failed job can be put back": lazy_gettext(
        "Only a job that has failed can be put back. Perhaps it runs again already."
    ),
    "Redis does not answer": lazy_gettext(
        "Redis does not answer. Nothing was done; try again when it is back."
    ),
    # only Stripe is told these
    "Missing Stripe-Signature header": NOTHING,
    "Invalid Stripe signature": NOTHING,
    "STRIPE_WEBHOOK_SECRET is not set": NOTHING,
    "X-Merchant-Stripe-Id is not the merchant's": NOTHING,
    "invalid admin key": NOTHING,
}
