"""Customers sign in by WeChat or Alipay, from the apps that run inside them."""

from flask import request

from mealquest.core.wire import Input
from mealquest.identity import service
from mealquest.identity.domain import Provider
from mealquest.identity.replies import CustomerSignedInView
from mealquest.identity.social_forms import SocialSignInForm
from mealquest.tenancy.service import Operation
from mealquest.web.frame import Call, Feature
from mealquest.web.policy import counted
from mealquest.web.throttle import Throttle

feature = Feature("social")
KNOWN_PEOPLE = "sign-in of known people passes a freeze; the service holds back new ones"


def _address(form: Input) -> str:
    return request.remote_addr or "unknown"


_THROTTLE = Throttle("customer-sign-in", ("30/minute",), _address)


@feature.post(api="/api/auth/customer/wechat-login", ungated=KNOWN_PEOPLE, throttles=(_THROTTLE,))
def wechat(call: Call, form: SocialSignInForm) -> CustomerSignedInView:
    """Sign a customer in by the code of a WeChat mini program."""
    return _enter(Provider.WECHAT_MINIAPP, form)


@feature.post(api="/api/auth/customer/alipay-login", ungated=KNOWN_PEOPLE, throttles=(_THROTTLE,))
def alipay(call: Call, form: SocialSignInForm) -> CustomerSignedInView:
    """Sign a customer in by the code of an Alipay app."""
    return _enter(Provider.ALIPAY, form)


def _enter(provider: Provider, form: SocialSignInForm) -> CustomerSignedInView:
    with counted(form.merchant_id, Operation.CUSTOMER_SIGN_IN):
        return service.sign_in_customer(provider, form)
