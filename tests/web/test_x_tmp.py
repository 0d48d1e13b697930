import base64, json, time, io
import pytest
from decimal import Decimal

def test_x(app):
    from mealquest.onboarding import demo
    from mealquest.identity import service as identity
    from mealquest.core.principal import Role, Principal
    demo.load()
    p, e = identity.staff_principal("m_store_001", "staff_owner")
    tok = identity.mint(p, e)
    H = {"Authorization": f"Bearer {tok}"}
    c = app.test_client()
    app.config["TESTING"] = False
    def show(name, r):
        print(name, r.status_code, r.headers.get("Content-Type"), r.data[:150])
    show("404tok", c.get("/api/nope", headers=H))
    show("405tok", c.put("/api/payment/quote", headers=H))
    show("opt", c.options("/api/payment/quote")); 
    show("nulstatic", c.get("/static/%00"))
    show("longstatic", c.get("/static/" + "a"*5000))
    show("trav", c.get("/static/../app.py")); show("trav", c.get("/static/%2e%2e/app.py")); show("trav", c.get("/static/css/../../app.py"))
    deep = base64.urlsafe_b64encode(b"["*5000).decode().rstrip("=")
    show("deephdr", c.get("/api/customers", headers={"Authorization": f"Bearer {deep}.e30.AAAA"}))
    show("hugeexp", c.post("/api/payment/quote", headers=H, data='{"userId":"u_fixture_001","orderAmount":1e9999999999999999999999}', content_type="application/json"))
    show("hugeexp2", c.post("/api/payment/quote", headers=H, data='{"userId":"u_fixture_001","orderAmount":1e400}', content_type="application/json"))
    t=time.time(); show("days", c.post("/api/wallet/top-ups", headers=H|{"Idempotency-Key":"a"}, data='{"userId":"u_fixture_001","amount":1,"method":"CASH","bonusValidDays":1e99999999}', content_type="application/json")); print(time.time()-t)
    show("days", c.post("/api/wallet/top-ups", headers=H|{"Idempotency-Key":"b"}, data='{"userId":"u_fixture_001","amount":1,"method":"CASH","bonusValidDays":1.5}', content_type="application/json"))
    show("frag", c.get("/console/", headers=H|{"HX-Target":"x","HX-Request":"true"}))
    show("frag2", c.get("/console/customers", headers=H|{"HX-Target":"x","HX-Request":"true"}))
    r=c.get("/api/customers", headers=H|{"Accept-Encoding":"gzip"}); print(r.headers)
    r=c.get("/api/customers", headers=H|{"Accept-Encoding":"gzip","If-None-Match":r.headers["ETag"]}); print(r.status_code)
    r=c.get("/api/customers/u_fixture_001", headers=H|{"Accept-Encoding":"gzip"}); print(r.headers)
    r=c.get("/api/customers/u_fixture_001", headers=H|{"Accept-Encoding":"gzip","If-None-Match":r.headers["ETag"]}); print(r.status_code, r.headers)
    r=c.get("/api/customers/u_fixture_001", headers=H|{"Accept-Encoding":"identity"}); print(r.headers)
    show("path+query", c.get("/api/customers/u_fixture_001?userId=u_fixture_002", headers=H))
    for m in ("FOO", "TRACE", "HEAD"):
        show(m, c.open("/api/customers", method=m, headers=H))
    show("bigjson", c.post("/api/payment/quote", headers=H, data=b"x"*(1<<21), content_type="application/json"))
    show("bigform", c.post("/api/payment/quote", headers=H, data=b"x"*(1<<21), content_type="application/x-www-form-urlencoded"))
    show("bigmp", c.post("/api/payment/quote", headers=H, data={"a":(io.BytesIO(b"x"*(1<<21)),"f")}))
    show("bigpage", c.post("/console/payments", headers=H, data=b"a="+b"x"*(1<<21), content_type="application/x-www-form-urlencoded"))
    r=c.open("/api/payment/quote", method="POST", headers=H, input_stream=io.BytesIO(b"x"*(1<<21)), environ_overrides={"wsgi.input_terminated":True,"CONTENT_LENGTH":"","HTTP_TRANSFER_ENCODING":"chunked"}, content_type="application/json"); show("chunk", r)
    p2 = Principal(Role.CUSTOMER, "u_fixture_002", "m_store_001"); ctok = identity.mint(p2, 0)
    show("clen", c.open("/api/payment/quote", method="POST", headers=H, environ_overrides={"CONTENT_LENGTH":"-5"}))
    show("clen", c.open("/api/payment/quote", method="POST", headers=H, environ_overrides={"CONTENT_LENGTH":"abc"}))
    show("badhost", c.get("/console/nope", headers=H|{"Host":"a b<>", "Referer":"http://a"}))
    show("lone", c.post("/api/merchant/onboard", data='{"merchantId":"m_zz","name":"\\ud800"}', content_type="application/json"))
    show("dup", c.post("/api/payment/quote", headers=H, data='{"userId":"u_fixture_001","userId":5,"orderAmount":1}', content_type="application/json"))
    for d in (900, 950, 980, 990, 10000):
        show("deep", c.post("/api/payment/quote", headers=H, data='{"userId":'+"["*d+"]"*d+'}', content_type="application/json"))
    show("utf16", c.post("/api/payment/quote", headers=H, data='{"userId":"u_fixture_001","orderAmount":1}'.encode("utf-16"), content_type="application/json"))
    for q in ("limit=%FF", "cursor=%00", "query=%00", "query=%ED%A0%80", "cursor=MDAwMS0wMS0wMVQwMDowMDowMCsxNDowMHx4", "query="+"x"*60000):
        show(q[:20], c.get("/api/customers?"+q, headers=H))
    show("pathbad", c.get("/api/customers/%FF%00", headers=H))
    app.config["TESTING"] = True
