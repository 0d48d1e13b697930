"""Stripe on a real port, in memory: the product's own sandbox with its levers at hand.

with StripeFake() as stripe:
    account = stripe.connect("Noodle House")
    bill = stripe.fails(account, "insufficient_funds")
    body, header = stripe.signed(stripe.events(account, "invoice.payment_failed")[0])
"""

from typing import Any

from mealquest.engines.stripe_sandbox import billing, oauth, scenes
from mealquest.engines.stripe_sandbox.cards import CARDS
from mealquest.engines.stripe_sandbox.faults import Fault, Kind
from mealquest.engines.stripe_sandbox.server import Server
from mealquest.engines.stripe_sandbox.store import Store
from mealquest.engines.stripe_sandbox.webhooks import body_of, sign
from mealquest.engines.stripe_sandbox.world import Logged, World

Json = dict[str, Any]
KEY, CLIENT_ID, SECRET = "sk_test_fixture", "ca_fixture", "whsec_fixture"
WORKS = "4242424242424242"


class StripeFake(Server):
    """Deliveries by HTTP begin with `delivers_to`; `signed` is for those who post themselves."""

    def __init__(self) -> None:
        super().__init__(World(Store(":memory:"), KEY, SECRET, CLIENT_ID))

    @property
    def asked(self) -> list[Logged]:
        """Requests for Stripe's own routes, oldest first."""
        return list(self.world.log)

    def asked_of(self, method: str, path: str) -> list[Logged]:
        return [one for one in self.asked if (one.method, one.path) == (method, path)]

    def configure(self, config: Json) -> None:
        """Point an application at this server."""
        config |= {
            "STRIPE_API_BASE": self.url,
            "STRIPE_CONNECT_BASE": self.url,
            "STRIPE_SECRET_KEY": KEY,
            "STRIPE_CLIENT_ID": CLIENT_ID,
            "STRIPE_WEBHOOK_SECRETS": (SECRET,),
            "STRIPE_SANDBOX_URL": self.url,
        }

    def delivers_to(self, url: str) -> None:
        self.world.deliver_to(url)

    def connect(self, name: str = "Noodle House") -> str:
        """The id of an account that has let the platform in."""
        return str(self.world.open_account(name)["id"])

    def code_for(self, account: str) -> str:
        """What Connect hands to the callback."""
        return oauth.grant(self.world, account)

    def withdraw(self, account: str) -> None:
        with self.world.store.change():
            oauth.withdraw(self.world, account)

    def fails(self, account: str, decline_code: str = "insufficient_funds", **wish: Any) -> Json:
        """A renewal that the card refuses for that reason: its invoice. `wish`: scenes.Wish."""
        card = next(c.number for c in CARDS.values() if c.decline_code == decline_code)
        with self.world.store.change():
            return scenes.failed_payment(self.world, scenes.Wish(account, card, **wish))

    def succeeds(self, account: str, **wish: Any) -> Json:
        with self.world.store.change():
            return scenes.failed_payment(self.world, scenes.Wish(account, WORKS, **wish))

    def retries(self, account: str, invoice: str) -> Json:
        """Stripe tries by itself."""
        with self.world.store.change():
            return billing.attempt(self.world, account, invoice)

    def is_paid(self, account: str, invoice: str) -> Json:
        """The payer pays on the hosted page with a card that works."""
        with self.world.store.change():
            return scenes.pay_by_payer(self.world, account, invoice)

    def ends(self, account: str, subscription: str) -> Json:
        with self.world.store.change():
            found = self.world.take(account, "subscription", subscription)
            return billing.end_subscription(self.world, account, found)

    def closes(self, account: str, invoice: str, status: str) -> Json:
        """`void` or `uncollectible`."""
        with self.world.store.change():
            found = self.world.take(account, "invoice", invoice)
            return billing.close(self.world, account, found, status)

    def invoice(self, account: str, invoice: str) -> Json:
        return self.world.take(account, "invoice", invoice)

    def events(self, account: str, kind: str = "") -> list[Json]:
        """Newest first; the platform's own for an empty account."""
        return self.world.store.find(account, "event", {"$.type": kind} if kind else {})

    def signed(
        self, event: Json, *, secret: str = SECRET, at: int | None = None
    ) -> tuple[bytes, str]:
        """Body and `Stripe-Signature` of a delivery."""
        body = body_of(event, event.get("api_version"))
        return body, sign(body, secret, at)

    def put_forward(self, seconds: float) -> int:
        """The clock; how many retries and renewals fell due."""
        self.world.put_forward(seconds)
        return billing.tick(self.world)

    def hurries(self) -> None:
        """End the delays that requests are in now, and all later ones."""
        self.hurry.set()

    def breaks(self, kind: str, path: str = "*", **how: Any) -> None:
        """A fault of `faults.Kind` for requests of that path; `how`: faults.Fault."""
        self.world.faults.add(Fault(Kind(kind), path, **how))
