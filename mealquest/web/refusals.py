"""What pages say where a refusal of the wire contract has its own words, refusal by refusal.

Empty where the page's heading says it already. `web.wording` finds the words of a message here,
by its field or by its pattern.
"""

from typing import Any

from flask_babel import lazy_gettext

from mealquest.web.recovery_refusals import NOTHING, RECOVERY
from mealquest.web.store_refusals import STORES

MESSAGES: dict[str, Any] = {
    # signing in
    "phone format invalid": lazy_gettext(
        "Enter the phone number in digits, with the country code: +8613900000000."
    ),
    "code format invalid": lazy_gettext("The code has six digits."),
    "code mismatch": lazy_gettext(
        "That is not the code we sent. Look again, or ask for a new one."
    ),
    "code expired": lazy_gettext("This code is too old. Ask for a new one."),
    "code not requested": lazy_gettext("There is no open code for this phone. Ask for a new one."),
    "phone codes cannot be sent at the moment": lazy_gettext(
        "Codes cannot be sent at the moment. Try again in a few minutes."
    ),
    "phone is required for customer login": lazy_gettext(
        "Enter the phone number and the code that was sent to it."
    ),
    "phone already bound to another user": lazy_gettext(
        "Another customer signs in with this phone. Sign in with the phone, or use another one."
    ),
    "Authorization is required": lazy_gettext("Sign in to see this page."),
    "Authorization must be a bearer token": lazy_gettext("Sign in to see this page."),
    "invalid api key": lazy_gettext("This key is not valid."),
    "invalid token": lazy_gettext("Your session has ended."),
    "invalid token signature": lazy_gettext("Your session has ended."),
    "token expired": lazy_gettext("Your session has ended."),
    # a customer's code
    "customer code format invalid": lazy_gettext(
        "This is not a whole customer code. It begins with MQ1, then come 16 letters and digits."
    ),
    "customer code is not of this shop": lazy_gettext(
        "This code belongs to no customer of this shop. Look again, or ask for the phone number."
    ),
    "customer code expired": lazy_gettext(
        "This code is too old: there is a new one every minute. Ask the customer to show it again."
    ),
    # what somebody may do
    "permission denied": lazy_gettext("Your role does not allow this."),
    "merchant scope denied": lazy_gettext("This belongs to another shop."),
    "user scope denied": lazy_gettext("This belongs to another customer."),
    "onboard secret invalid": lazy_gettext("The onboarding secret is not right."),
    "demo data is refused in prod": lazy_gettext("Demo data has no place in production."),
    "tenant policy patch is empty": lazy_gettext("Say what is to change."),
    "the merchant's database is not available at the moment, try again": lazy_gettext(
        "The shop is closed for a moment, because it is being moved or its database is away."
        " Try again in a few seconds."
    ),
    "merchant is read-only during migration": lazy_gettext(
        "The shop is being moved, and nothing can be changed until that is done."
    ),
    "merchant realtime channel is disabled during migration": lazy_gettext(
        "The shop is being moved, and live updates are off until that is done."
    ),
    "the form has expired, open the page again and repeat": lazy_gettext(
        "This page was open for too long. Please send it once more."
    ),
    # giving money back
    "payment is not settled": lazy_gettext(
        "Nothing was taken for this payment: there is nothing to give back, or to invoice."
    ),
    "payment user mismatch": lazy_gettext("Another customer made this payment."),
    "refundAmount exceeds available amount": lazy_gettext(
        "That is more than is left of this payment."
    ),
    "receivable not found": lazy_gettext("Nothing is owed under this number."),
    "receivable is settled": lazy_gettext("This was paid or given up before."),
    "amount exceeds what is owed": lazy_gettext("That is more than is still owed."),
    # what was not found
    "user not found": lazy_gettext("There is no such customer here."),
    "staff not found": lazy_gettext("There is no such staff member here."),
    "merchant not found": lazy_gettext("There is no such shop."),
    "merchantId and userId are required": lazy_gettext("Say which customer it is about."),
    "userId is required for customer role": lazy_gettext("Say which customer it is about."),
    "userId is required with bucket": lazy_gettext(
        "A balance belongs to one customer: open the ledger from the customer’s page."
    ),
    "tick the box to delete for good": lazy_gettext(
        "Tick the box: what is erased cannot be brought back."
    ),
    "export not found": lazy_gettext("There is no such export here, or its seven days are over."),
    "export is not ready yet": lazy_gettext("The file is still being made. Look again soon."),
    "the answer under this Idempotency-Key was erased with the customer": lazy_gettext(
        "This was done before the customer’s data were erased. Nothing was done again."
    ),
    "payment not found": lazy_gettext("There is no such payment here."),
    "ledger entry not found": lazy_gettext("There is no such entry in the ledger."),
    "invoice not found": lazy_gettext("There is no such invoice here."),
    "audit row not found": lazy_gettext("There is no such entry in the audit."),
    "voucher not found": lazy_gettext("The customer does not have this voucher."),
    "receipt not found": lazy_gettext(
        "This link to a receipt is not complete, or it is older than 90 days. Ask the shop."
    ),
    "cursor is not valid": lazy_gettext("This page of the list is gone. Start at its beginning."),
    "Not Found": NOTHING,
    "Method Not Allowed": NOTHING,
    # invoices
    "email format invalid": lazy_gettext("Enter one e-mail address, such as name@example.org."),
    "personal data of the customer is erased": lazy_gettext(
        "The customer's data are erased, so there is nobody to send this to."
    ),
    # what is there already
    "staff already exists": lazy_gettext("This id belongs to somebody of the staff already."),
    "phone already belongs to another staff member": lazy_gettext(
        "This phone belongs to somebody else of the staff."
    ),
    "the last owner cannot leave or take another role": lazy_gettext(
        "The shop would have no owner who can sign in. Make somebody else an owner first."
    ),
    "changing your own role needs confirm": lazy_gettext(
        "This is your own role. Tick the box below it if you really mean it."
    ),
    "changing your own phone needs confirm": lazy_gettext(
        "This is the phone you sign in with. Tick the box below it if the new one is right."
    ),
    "removing yourself needs confirm": lazy_gettext(
        "You would remove yourself. Tick the box if you really mean it."
    ),
    "session not found": lazy_gettext("This sign-in has ended already."),
    "role, name or phone is required": lazy_gettext("Change something before you save."),
    "user already exists": lazy_gettext("This customer exists already."),
    "merchant already exists": lazy_gettext(
        "There is a shop with this id already. Choose another."
    ),
    # opening a shop
    "merchant name is required": lazy_gettext("Enter the name of the shop."),
    "merchant name too long": lazy_gettext("The name may have at most 64 characters."),
    "merchantId is required": lazy_gettext("Enter the short id of the shop."),
    "merchantId format invalid": lazy_gettext(
        "The short id begins with a lower-case letter and goes on with lower-case letters, digits,"
        " _ and -; 2 to 64 characters."
    ),
    # the shop's settings
    "currency cannot change once money has moved": lazy_gettext(
        "The currency stays as it is: there are amounts in it already."
    ),
    # taking money
    "voucher cannot be used: it has expired": lazy_gettext(
        "The voucher has expired. Nothing was taken."
    ),
    "voucher cannot be used: it was used before": lazy_gettext(
        "The voucher was used before. Nothing was taken."
    ),
    "voucher cannot be used: another payment holds it": lazy_gettext(
        "The voucher is kept for a payment that waits for the rest. Nothing was taken here."
    ),
    "voucher cannot be used: it is not active any more": lazy_gettext(
        "The voucher was used or held a moment ago. Nothing was taken here."
    ),
    "voucher cannot be used: the order is below its minimum spend": lazy_gettext(
        "The order is too small for this voucher. Nothing was taken."
    ),
    "voucher cannot be used: it takes nothing off this order": lazy_gettext(
        "The voucher takes nothing off this order. Nothing was taken."
    ),
    "the part to be paid outside has changed": lazy_gettext(
        "The wallet has changed since you looked. Nothing was taken. What it gives now is shown"
        " here; take it if the customer agrees."
    ),
    "payment has no receipt yet: it waits for money from outside": lazy_gettext(
        "There is no receipt yet: the payment still waits for the rest."
    ),
    "payment has no receipt: its money goes back": lazy_gettext(
        "There is no receipt: the money goes back to the customer."
    ),
    "payment has no receipt: nothing was taken": lazy_gettext(
        "There is no receipt: this payment did not go through, and nothing was taken."
    ),
    "payment is not waiting any more": lazy_gettext(
        "This payment does not wait any more, so there was nothing to give up."
    ),
    "payment is not waiting for external callback": lazy_gettext(
        "Nothing was ever asked for outside for this payment."
    ),
    "paidAmount mismatch": lazy_gettext("The sum that came is not the sum that was asked for."),
    "invalid callback signature": lazy_gettext("The signature of this message is not right."),
    "no refund of this payment is stuck": lazy_gettext(
        "No refund of this payment is stuck, so there was nothing to send."
    ),
    "connect an account of the sandbox first": lazy_gettext(
        "Connect an account of the sandbox first."
    ),
    "amount has more decimals than its currency": lazy_gettext(
        "This currency has fewer decimals. Shorten the amount."
    ),
    "the sandbox Stripe refused": lazy_gettext(
        "The sandbox Stripe did not do that. Perhaps the invoice waits for no money any more."
    ),
    "the shop did not take the callback": lazy_gettext(
        "The shop did not take the message. Send it once more."
    ),
    "top-up rule not found": lazy_gettext("There is no such rule any more."),
    "there is a rule for this amount": lazy_gettext(
        "There is a rule for this amount already. Remove it first."
    ),
    "the wallet is busy, try again": lazy_gettext(
        "Another payment of this customer is being taken. Nothing was taken here; try again."
    ),
    "a request with this Idempotency-Key is still running": lazy_gettext(
        "This is being worked on already. Wait a moment, then try again: it happens only once."
    ),
    "this Idempotency-Key was used for another request": lazy_gettext(
        "This form was sent before, with other entries. Nothing was done twice."
    ),
    "Idempotency-Key is required": lazy_gettext("Open this page again, then repeat."),
    # suppliers and the contract
    "partner not found": lazy_gettext("There is no such partner here."),
    "partner already exists": lazy_gettext("There is a partner with this id already."),
    "partner order not found": lazy_gettext("There is no such order here."),
    "partner scope denied": lazy_gettext("This belongs to another partner."),
    "invalid partner key": lazy_gettext("This key is not valid."),
    "too many partners": lazy_gettext("There are as many partners as there can be."),
    "merchantId, partnerId and orderId are required": lazy_gettext(
        "Choose the partner and enter the order number."
    ),
    "a verified order keeps its amount": lazy_gettext(
        "The order was used up with another amount, and keeps it."
    ),
    "status cannot change like this": lazy_gettext(
        "The order cannot go from its state to this one."
    ),
    "currency must be the merchant's": lazy_gettext("The amount must be in the shop’s currency."),
    "orders must not name an order twice": lazy_gettext("This order is named twice."),
    "import not found": lazy_gettext("This import is not there any more. Choose the file again."),
    "file is required": lazy_gettext("Choose a file."),
    "the file has rows that cannot be taken": lazy_gettext(
        "The file has rows that cannot be imported."
    ),
    "the file has too many rows": lazy_gettext("The file has more than 5,000 orders. Split it."),
    "the file has no rows": lazy_gettext("The file has no orders in it."),
    "the file must be text in UTF-8 or GB18030": lazy_gettext(
        "This is no text. Save the table as CSV, in UTF-8 or GB18030."
    ),
    "the file is no proper CSV": lazy_gettext(
        "This is no proper CSV: look for a quotation mark that is never closed."
    ),
    "the header names a column twice": lazy_gettext("The first row names a column twice."),
    "the header lacks a column": lazy_gettext(
        "The first row must name the columns orderId and amount, and partnerId unless one is"
        " chosen."
    ),
    # why a partner order does not count, as the audit tells it
    "NOT_FOUND": lazy_gettext("no such order"),
    "ALREADY_VERIFIED": lazy_gettext("used already"),
    "NOT_PAID": lazy_gettext("not paid"),
    "BELOW_MIN_SPEND": lazy_gettext("too small"),
    # campaigns
    "campaign not found": lazy_gettext("There is no such campaign here."),
    "unsupported campaign status": lazy_gettext("The campaign cannot go into this state."),
    "campaigns are busy, try again": lazy_gettext(
        "The campaigns are busy with something else. Nothing was done; try again in a moment."
    ),
    "unsupported action type": lazy_gettext("This kind of gift is not known here."),
    "unsupported voucher type": lazy_gettext("This kind of voucher is not known here."),
    # strategy proposals and the chat about them
    "candidate not found": lazy_gettext("This draft is not one of the proposal’s any more."),
    "template not found": lazy_gettext("The library does not have this template."),
    "strategy plan not found": lazy_gettext("Nobody asked for this draft here."),
    "merchantId and (templateId or intent) are required": lazy_gettext(
        "Choose a template, or say what you want to achieve."
    ),
    "proposal not found": lazy_gettext("There is no such proposal here."),
    "proposal already handled": lazy_gettext("This proposal was approved or rejected before."),
    "the proposal is not the one that was shown": lazy_gettext(
        "The proposal has changed since you looked. Read what it says now, then decide."
    ),
    "the proposal breaks the limits as they are now": lazy_gettext(
        "The proposal breaks the shop’s limits as they are now. Nothing was approved."
    ),
    "proposal review mismatch with current pending proposal": lazy_gettext(
        "Another proposal waits now. Open the chat again and look at that one."
    ),
    "message not found": lazy_gettext("There is no such message here."),
    "strategy chat session not found": lazy_gettext("There is no such chat here. Begin a new one."),
    "the last message is still being answered": lazy_gettext(
        "The last message is still being answered. Wait for the answer, then write again."
    ),
    # the machine
    "too many requests, try again later": lazy_gettext("Too many tries. Try again later."),
    "the database is busy or away, try again": lazy_gettext("Try again in a moment."),
    "something went wrong on our side": NOTHING,
    "Request body too large": NOTHING,
    "Invalid JSON body": NOTHING,
    "the body is incomplete": NOTHING,
    **RECOVERY,
    **STORES,
}
