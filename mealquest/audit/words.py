"""What the audit's own words are called on a page."""

from typing import Any

from flask_babel import lazy_gettext

from mealquest.audit.models import AuditStatus

ACTIONS: dict[str, Any] = {
    "ACCESS": lazy_gettext("Access"),
    "ALLIANCE_CONFIG_SET": lazy_gettext("Alliance settings"),
    "ALLIANCE_SYNC_USER": lazy_gettext("Alliance: customer copied"),
    "CAMPAIGN_STATUS_SET": lazy_gettext("Campaign switched"),
    "CONTRACT_APPLY": lazy_gettext("Contract application"),
    "CUSTOMER_CREATE": lazy_gettext("New customer"),
    "CUSTOMER_SIGN_IN": lazy_gettext("Customer signed in"),
    "CUSTOMER_SIGN_OUT": lazy_gettext("Customer signed out"),
    "FIRE_SALE_CREATE": lazy_gettext("Fire sale"),
    "INVOICE_ISSUE": lazy_gettext("Invoice"),
    "KILL_SWITCH_SET": lazy_gettext("Kill switch"),
    "LIST_EXPORT": lazy_gettext("List downloaded"),
    "MERCHANT_ONBOARD": lazy_gettext("Shop opened"),
    "MERCHANT_SETTINGS_SET": lazy_gettext("Shop settings"),
    "MIGRATION_CUTOVER": lazy_gettext("Move of the shop: switched over"),
    "MIGRATION_ROLLBACK": lazy_gettext("Move of the shop: taken back"),
    "MIGRATION_STEP": lazy_gettext("Move of the shop: step"),
    "PAYMENT_CALLBACK": lazy_gettext("News of an outside payment"),
    "PAYMENT_CANCEL": lazy_gettext("Payment cancelled"),
    "PAYMENT_EXPIRE": lazy_gettext("Payment expired"),
    "PAYMENT_REFUND": lazy_gettext("Refund"),
    "PAYMENT_VERIFY": lazy_gettext("Payment"),
    "PRIVACY_CANCEL": lazy_gettext("Customer closed the account"),
    "PRIVACY_DELETE": lazy_gettext("Customer's data deleted"),
    "PRIVACY_EXPORT": lazy_gettext("Customer's data exported"),
    "PROPOSAL_CONFIRM": lazy_gettext("Proposal confirmed"),
    "STAFF_INVITE": lazy_gettext("Staff invited"),
    "STAFF_REMOVE": lazy_gettext("Staff removed"),
    "STAFF_ROLE_SET": lazy_gettext("Staff role changed"),
    "STAFF_SIGN_IN": lazy_gettext("Staff signed in"),
    "STAFF_SIGN_OUT": lazy_gettext("Staff signed out"),
    "STRATEGY_CHAT_MESSAGE": lazy_gettext("Strategy chat: message"),
    "STRATEGY_CHAT_REVIEW": lazy_gettext("Strategy chat: review"),
    "STRATEGY_CHAT_SESSION_CREATE": lazy_gettext("Strategy chat: begun"),
    "STRATEGY_CHAT_WRITE": lazy_gettext("Strategy chat"),
    "STRATEGY_PROPOSAL_CREATE": lazy_gettext("Strategy proposal"),
    "SUPPLIER_VERIFY": lazy_gettext("Supplier order checked"),
    "TCA_TRIGGER": lazy_gettext("Campaign event"),
    "TENANT_POLICY_SET": lazy_gettext("Shop policy"),
    "TOP_UP_RULE_SET": lazy_gettext("Top-up rule"),
    "VOUCHER_GRANT": lazy_gettext("Voucher granted"),
    "WALLET_TOP_UP": lazy_gettext("Top-up"),
}

STATUSES: dict[str, tuple[Any, str]] = {
    AuditStatus.SUCCESS: (lazy_gettext("Done"), "success"),
    AuditStatus.DENIED: (lazy_gettext("Denied"), "danger"),
    AuditStatus.FAILED: (lazy_gettext("Failed"), "warning"),
    AuditStatus.BLOCKED: (lazy_gettext("Blocked"), "warning"),
}

# Who acts without being a person of the shop.
MACHINES: dict[str, Any] = {
    "anonymous": lazy_gettext("Somebody not signed in"),
    "bootstrap": lazy_gettext("Opening of the shop"),
    "operator": lazy_gettext("Operator of the platform"),
    "payment_gateway": lazy_gettext("Payment gateway"),
    "system": lazy_gettext("The system"),
}

DETAILS: dict[str, Any] = {
    "action": lazy_gettext("What"),
    "amount": lazy_gettext("Amount"),
    "bonus": lazy_gettext("Bonus"),
    "callbackStatus": lazy_gettext("Reported state"),
    "changed": lazy_gettext("Changed"),
    "currency": lazy_gettext("Currency"),
    "email": lazy_gettext("E-mail"),
    "enabled": lazy_gettext("Switched on"),
    "error": lazy_gettext("Reason"),
    "externalTxnId": lazy_gettext("Outside payment"),
    "filters": lazy_gettext("Filter"),
    "fromDay": lazy_gettext("From day"),
    "from": lazy_gettext("Before"),
    "locale": lazy_gettext("Language"),
    "list": lazy_gettext("List"),
    "method": lazy_gettext("Paid by"),
    "name": lazy_gettext("Name"),
    "note": lazy_gettext("Note"),
    "operatorId": lazy_gettext("Person"),
    "order": lazy_gettext("Order of the list"),
    "orderAmount": lazy_gettext("Order"),
    "paymentTxnId": lazy_gettext("Payment"),
    "policyCode": lazy_gettext("Code"),
    "query": lazy_gettext("Search"),
    "reason": lazy_gettext("Reason"),
    "refundAmount": lazy_gettext("Refunded"),
    "refundPolicy": lazy_gettext("Refunds"),
    "refundTxnId": lazy_gettext("Refund"),
    "role": lazy_gettext("Role"),
    "route": lazy_gettext("Function"),
    "seededUsers": lazy_gettext("Sample customers"),
    "staffId": lazy_gettext("Staff member"),
    "status": lazy_gettext("State"),
    "timeZone": lazy_gettext("Time zone"),
    "toDay": lazy_gettext("To day"),
    "to": lazy_gettext("After"),
    "topUpId": lazy_gettext("Top-up"),
    "txnId": lazy_gettext("Movement"),
    "userId": lazy_gettext("Customer"),
    "voucherId": lazy_gettext("Voucher"),
}

AMOUNTS = frozenset({"amount", "bonus", "orderAmount", "refundAmount"})  # in major units
PEOPLE = ("userId", "staffId")  # ids of customers and staff
REASONS = frozenset({"error", "reason"})  # in the words of the wire contract
