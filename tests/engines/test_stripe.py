"""The sandbox Stripe as a process of an installation."""

import time
from pathlib import Path

import httpx

from mealquest.engines.files import write_private
from mealquest.engines.processes import works_in
from mealquest.engines.secrets_file import Secrets
from mealquest.engines.service import SandboxStripe, running
from mealquest.engines.stripe import PROGRAM
from tests.engines.conftest import kill


def used(home: Path, **options):
    return running(home, postgres=False, valkey=False, stripe=True, **options)


def ask(stripe: SandboxStripe, path: str, said: dict | None = None) -> httpx.Response:
    headers = {"Authorization": f"Bearer {stripe.key}"}
    with httpx.Client(base_url=stripe.url, headers=headers, verify=False) as client:
        return client.post(path, json=said) if said else client.get(path)


def test_it_keeps_its_state_and_its_port_and_is_shared(tmp_path) -> None:
    home = tmp_path / "Stripe $HOME 晚饭"
    with used(home) as found, used(home, start=False) as beside:
        assert found.stripe == beside.stripe
        assert found.db_url is None
        assert ask(found.stripe, "/_sandbox/accounts", {"name": "Noodle House"}).is_success
        assert "Noodle House" not in repr(found)
        assert found.stripe.key not in repr(found)
        assert (home / "stripe/stripe.db").stat().st_mode & 0o777 == 0o600
        pid = int((home / "stripe/stripe.pid").read_text())
        assert Path(f"/proc/{pid}/comm").read_text().strip() == "mq-stripe"
    assert not works_in(pid, home / "stripe", PROGRAM, in_doubt=False)
    assert not (home / "stripe/stripe.pid").exists()

    with used(home) as again:
        assert again.stripe == found.stripe
        page = ask(again.stripe, "/oauth/authorize?client_id=ca_sandbox")
        assert "Noodle House" in page.text


def test_one_that_was_killed_is_started_again(tmp_path) -> None:
    with used(tmp_path) as found:
        kill(tmp_path, "stripe")
        with used(tmp_path) as again:
            assert again.stripe == found.stripe
            assert ask(again.stripe, "/_sandbox/health").is_success


def test_who_only_attaches_does_without_one(tmp_path) -> None:
    with used(tmp_path, start=False) as found:
        assert found.stripe is None
    assert not (tmp_path / "secrets.json").exists()


def test_secrets_of_an_older_installation_are_completed(tmp_path) -> None:
    old = '{"owner_password": "a", "app_password": "b", "valkey_password": "c"}'
    write_private(tmp_path / "secrets.json", old)

    found = Secrets.of(tmp_path)
    assert (found.owner_password, found.valkey_password) == ("a", "c")
    assert found.stripe_key.startswith("sk_test_")
    assert found.stripe_webhook_secret.startswith("whsec_")
    assert Secrets.of(tmp_path) == found


def test_it_ends_when_its_directory_is_gone(tmp_path) -> None:
    with used(tmp_path / "home") as found:
        pid = int((tmp_path / "home/stripe/stripe.pid").read_text())
        (tmp_path / "home").rename(tmp_path / "away")
        assert works_in(pid, tmp_path / "away/stripe", PROGRAM, in_doubt=False)
        assert found.stripe is not None
        (tmp_path / "away/stripe/stripe.pid").unlink()
        deadline = time.monotonic() + 10
        while works_in(pid, tmp_path / "away/stripe", PROGRAM, in_doubt=False):
            assert time.monotonic() < deadline
            time.sleep(0.02)
