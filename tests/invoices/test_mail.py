"""Invoices by mail: each goes out once, whatever the mail service does, and the page says so."""

import httpx
import pytest
from sqlalchemy import func, select, text, update

from jobs import messages as job
from mealquest.core import mail, messages
from mealquest.core.db import transaction
from mealquest.core.errors import Invalid, NotFound
from mealquest.core.messages import MessageKind, MessageState, OutboundMessage
from mealquest.core.settings import Profile
from mealquest.identity.personal import destroy_key
from mealquest.invoices import service as invoices
from mealquest.invoices.forms import MailForm
from tests.factories.outside import ask
from tests.factories.requests import CLERK, keyed
from tests.factories.wallet import make_fixture_customer
from tests.fakes.mail import KEY, RETRY_AFTER_S, Behaviour, MailEdge
from tests.invoices.conftest import issue, look, refund
from tests.invoices.pdfs import text_of

TO = "anna@example.org"


@pytest.fixture
def edge(app, monkeypatch):
    """Outside development, where nothing of a mail is kept once it was sent."""
    with MailEdge() as edge:
        said = {"resend_api_key": KEY, "resend_api_base": edge.url, "profile": Profile.STAGING}
        changed = app.config["SETTINGS"].model_copy(update=said | {"email_from": "Shop <s@x.org>"})
        monkeypatch.setitem(app.config, "SETTINGS", changed)
        monkeypatch.setattr(mail, "TIMEOUT", httpx.Timeout(0.3))
        monkeypatch.setattr(job, "ROUNDS", 1)
        yield edge


def make_due(attempts: int | None = None) -> None:
    with transaction() as session:
        session.execute(update(OutboundMessage).values(run_at=func.now()))
        if attempts is not None:
            session.execute(update(OutboundMessage).values(attempts=attempts))


def message() -> OutboundMessage:
    with transaction() as session:
        return session.scalars(select(OutboundMessage)).one()


def send(row, number: str, email: str = "", key: str = "k"):
    form = MailForm(invoice_no=number, email=email)
    return invoices.mail_again(row.merchant_id, form, CLERK, keyed(form, key))


def test_an_invoice_goes_out_with_the_paper_attached(row, payment, edge):
    issued = issue(row, payment, title="Acme Ltd", email=TO)
    assert [sent.state for sent in look(row, issued.invoice_no).mails] == ["queued"]

    job.deliver()

    (sent,) = edge.sent
    assert sent.path == "/emails"
    assert (sent.body["from"], sent.body["to"]) == ("Shop <s@x.org>", [TO])
    assert sent.body["subject"] == "Invoice INV000001 from Fixture Merchant"
    assert "CNY\u00a052.00" in sent.body["text"]
    assert sent.body["html"].startswith('<!doctype html>\n<html lang="en">')
    drawn = invoices.paper(row.merchant_id, issued.invoice_no).content
    assert sent.files == {"INV000001.pdf": drawn}
    assert "Acme Ltd" in text_of(drawn)
    (known,) = look(row, issued.invoice_no).mails
    assert (known.state, known.recipient, known.error) == ("sent", TO, None)
    assert known.settled_at is not None
    assert (message().state, message().content) == (MessageState.SENT, None)
    job.deliver()
    assert len(edge.asked) == 1


@pytest.mark.parametrize(
    ("how", "why"),
    [
        (Behaviour.BROKEN, "answered 500"),
        (Behaviour.HANGS, "ReadTimeout"),
        (Behaviour.DROPS, "RemoteProtocolError"),
        (Behaviour.GARBAGE, "200 without an id"),
        (Behaviour.SHAPELESS, "200 without an id"),
        (Behaviour.ENDLESS, "200 without an id"),
    ],
)
def test_whatever_the_service_answers_the_mail_is_sent_once(row, payment, edge, how, why):
    issued = issue(row, payment, email=TO)
    edge.will(how, how)
    for _ in range(3):
        make_due()
        job.deliver()

    assert len(edge.asked) == 3
    assert len(edge.sent) == 1
    first, *others = edge.asked
    assert all(again.body == first.body and again.key == first.key for again in others)
    assert [known.state for known in look(row, issued.invoice_no).mails] == ["sent"]


def test_what_was_not_taken_says_why_and_names_nobody(row, payment, edge):
    issue(row, payment, email=TO)
    edge.will(Behaviour.BROKEN)
    job.deliver()
    kept = message()
    assert (kept.state, kept.attempts) == (MessageState.QUEUED, 1)
    assert "the mail edge answered 500" in kept.last_error
    for secret in (KEY, TO, edge.url):
        assert secret not in kept.last_error


@pytest.mark.parametrize(
    ("how", "least_s"), [(Behaviour.BUSY, RETRY_AFTER_S), (Behaviour.BUSY_UNTIL, 3600)]
)
def test_it_waits_as_long_as_it_is_asked_to_and_an_hour_at_most(row, payment, edge, how, least_s):
    issue(row, payment, email=TO)
    edge.will(how)
    job.deliver()
    with transaction() as session:
        waits = session.scalar(
            text("SELECT extract(epoch FROM run_at - now()) FROM outbound_messages")
        )
    assert least_s - 5 < waits < least_s + 5
    job.deliver()
    assert len(edge.asked) == 1


def test_what_the_service_will_never_take_is_given_up_and_can_be_sent_again(row, payment, edge):
    issued = issue(row, payment, email=TO)
    edge.will(Behaviour.REFUSES)
    job.deliver()
    (failed,) = look(row, issued.invoice_no).mails
    assert failed.state == "failed"
    assert "answered 422" in failed.error

    first = send(row, issued.invoice_no, "other@example.org", key="k1")
    assert send(row, issued.invoice_no, "other@example.org", key="k1").as_json() == first.as_json()
    job.deliver()

    assert [sent.body["to"] for sent in edge.sent] == [["other@example.org"]]
    assert [known.state for known in look(row, issued.invoice_no).mails] == ["sent", "failed"]


def test_it_is_given_up_in_the_end(row, payment, edge):
    issued = issue(row, payment, email=TO)
    make_due(attempts=messages.MAX_ATTEMPTS[MessageKind.EMAIL] - 1)
    edge.will(Behaviour.BROKEN)
    job.deliver()
    assert [known.state for known in look(row, issued.invoice_no).mails] == ["failed"]
    make_due()
    assert job.deliver() == "handled 0"


def test_somebody_who_was_erased_meanwhile_gets_nothing(row, payment, edge):
    issued = issue(row, payment, email=TO)
    with transaction(row.merchant_id) as session:
        destroy_key(session, row.merchant_id, row.customer_id)
    job.deliver()
    assert edge.asked == []
    assert [known.state for known in look(row, issued.invoice_no).mails] == ["failed"]


def test_a_credit_note_is_sent_when_somebody_asks(row, payment, edge):
    issue(row, payment, title="Acme Ltd", email=TO)
    refund(row, payment, 20)
    send(row, "CRN000001")
    job.deliver()
    (note,) = (sent for sent in edge.sent if "CRN000001.pdf" in sent.files)
    assert note.body["to"] == [TO]
    assert note.body["subject"] == "Credit note CRN000001 from Fixture Merchant"
    assert "CNY -20.00" in text_of(note.files["CRN000001.pdf"])


@pytest.mark.parametrize(
    "address",
    [
        "a@example.org, b@example.org",
        "a@example.org;b@example.org",
        "Anna <a@example.org>",
        "a@example.org\r\nBcc: b@example.org",
        "a@example.org\nBcc: b",
        "a b@example.org",
        "a@localhost",
        '"a"@example.org',
        "a@-x.org",
        "a@exa\u2028mple.org",
        "\u00e4@example.org",
    ],
)
def test_only_one_plain_address_is_taken(address):
    with pytest.raises(ValueError, match=r"email format invalid|not allowed"):
        MailForm(invoice_no="INV000001", email=address)


def test_names_cannot_write_headers(app, edge):
    row = make_fixture_customer()
    with transaction(row.merchant_id) as session:
        session.execute(text("UPDATE merchant_settings SET name = E'Shop\\r\\nBcc: x@y.org <b>'"))
    issue(row, ask(row, 52).payment_txn_id, email=TO)
    job.deliver()
    assert edge.sent[0].body["subject"] == "Invoice INV000001 from Shop Bcc: x@y.org <b>"
    assert "<b>" not in edge.sent[0].body["html"]


def test_without_a_service_it_is_shown_in_development_and_said_on_the_page(row, payment):
    issued = issue(row, payment, email=TO)
    assert [known.state for known in look(row, issued.invoice_no).mails] == ["kept"]
    (shown,) = messages.newest()
    assert (shown.message.to, shown.message.attachments) == (TO, ["INV000001.pdf"])


def test_who_has_no_address_and_what_is_not_there(row, payment):
    issued = issue(row, payment)
    with pytest.raises(Invalid, match=r"^email is required$"):
        send(row, issued.invoice_no)
    with pytest.raises(NotFound, match=r"^invoice not found$"):
        send(row, "INV999999", TO)
    with pytest.raises(NotFound):
        send(make_fixture_customer(), issued.invoice_no, TO)
