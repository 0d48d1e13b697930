"""A verifier of Alipay codes: POST {code, appId, appSecret}; 4xx for a code that is no good.

with Alipay() as alipay:
    code = alipay.issue(userId="2088", mobile="+8613900000001")
"""

from typing import Any

from tests.fakes.provider import Asked, ProviderServer

APP_ID, APP_SECRET = "ali-fixture", "ali-secret"


class Alipay(ProviderServer):
    @property
    def verify_url(self) -> str:
        return f"{self.url}/verify"

    def reply(self, asked: Asked) -> tuple[int, Any]:
        sent = asked.sent
        if asked.method != "POST" or asked.path != "/verify":
            return 404, {}
        if (sent.get("appId"), sent.get("appSecret")) != (APP_ID, APP_SECRET):
            return 403, {"error": "unknown app"}
        person, used = self.redeem(sent.get("code"))
        return (200, person) if person is not None and not used else (401, {"error": "bad code"})
