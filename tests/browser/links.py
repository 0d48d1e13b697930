"""Links of the demo merchant's mails, signed as the running product signs them."""

from flask import Flask

from mealquest.core.settings import Settings
from mealquest.recovery import payer_links
from tests.product.running import JWT_SECRET, MERCHANT

_signer = Flask("signer")
_signer.config["SETTINGS"] = Settings(_env_file=None, jwt_secret=JWT_SECRET)


def pay_token(invoice_id: str, merchant_id: str = MERCHANT) -> str:
    with _signer.app_context():
        return payer_links.pay_token(merchant_id, invoice_id)


def leave_token(merchant_id: str = MERCHANT) -> str:
    with _signer.app_context():
        return payer_links.leave_token(merchant_id, "0" * 64)
