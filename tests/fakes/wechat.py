"""WeChat's exchange of a mini program's code, with WeChat's numbers for what is wrong.

with WeChat() as wechat:
    code = wechat.issue(openid="o1", phoneNumber="+8613900000001")
"""

from typing import Any

from tests.fakes.provider import Asked, ProviderServer

APP_ID, APP_SECRET = "wx-fixture", "wx-secret"
INVALID_CODE, USED_CODE, WRONG_SECRET = 40029, 40163, 40125


class WeChat(ProviderServer):
    def reply(self, asked: Asked) -> tuple[int, Any]:
        sent = asked.sent
        if asked.method != "GET" or asked.path != "/sns/jscode2session":
            return 404, {}
        if (sent.get("appid"), sent.get("secret")) != (APP_ID, APP_SECRET):
            return 200, {"errcode": WRONG_SECRET, "errmsg": "invalid appsecret"}
        person, used = self.redeem(sent.get("js_code"))
        if sent.get("grant_type") != "authorization_code" or person is None:
            return 200, {"errcode": INVALID_CODE, "errmsg": "invalid code"}
        if used:
            return 200, {"errcode": USED_CODE, "errmsg": "code been used"}
        return 200, {"session_key": "key", **person}
