"""The figures a collector reads: their names, their labels, and that labels stay few."""

import pytest
from prometheus_client.parser import text_string_to_metric_families

from mealquest.strategy.agent import runtime
from mealquest.strategy.agent.breaker import Breaker
from mealquest.strategy.agent.gate import Gate
from tests.factories.http import Client, client_of


@pytest.fixture
def client(app) -> Client:
    return client_of(app)


def read(client: Client) -> dict[tuple[str, tuple], float]:
    answer = client.get("/metrics")
    assert answer.status_code == 200
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(answer.text)
        for sample in family.samples
    }


def total(figures: dict, name: str, **labels: str) -> float:
    wanted = set(labels.items())
    return sum(value for (n, held), value in figures.items() if n == name and wanted <= set(held))


def test_it_is_prometheus_text(client) -> None:
    answer = client.get("/metrics")

    assert answer.headers["Content-Type"] == "text/plain; version=0.0.4; charset=utf-8"
    assert "# TYPE mealquest_requests_total counter" in answer.text
    assert "# TYPE mealquest_errors_total counter" in answer.text
    assert "# TYPE mealquest_requests_by_path_total counter" in answer.text
    assert "# TYPE mealquest_request_duration_seconds histogram" in answer.text


def test_requests_and_errors_are_counted(client) -> None:
    before = read(client)

    for path in ("/health", "/health", "/api/customers", "/nope"):
        client.get(path)

    after = read(client)
    for name, more in (("mealquest_requests_total", 5), ("mealquest_errors_total", 2)):
        assert total(after, name) - total(before, name) == more  # the first reading is one too


@pytest.mark.parametrize(
    ("method", "url", "path", "status"),
    [
        ("GET", "/health", "/health", "200"),
        ("GET", "/api/customers?query=x", "/api/customers", "401"),
        ("POST", "/api/customers", "/api/customers", "401"),
        ("GET", "/api/customers/u_1", "/api/customers/<user_id>", "401"),
        ("GET", "/api/payments/txn_1", "/api/payments/<payment_id>", "401"),
        ("GET", "/static/favicon.svg", "/static/<path:name>", "200"),
        ("GET", "/api/no/such/thing", "unknown", "401"),
        ("GET", "/no/such/thing", "unknown", "404"),
        ("PUT", "/health", "unknown", "405"),
        ("BREW", "/health", "unknown", "405"),
    ],
)
def test_a_request_counts_for_its_declared_route(client, method, url, path, status) -> None:
    labels = {
        "path": path,
        "method": method if method != "BREW" else "other",
        "status": status,
    }
    name = "mealquest_requests_by_path_total"
    before = total(read(client), name, **labels)

    client.open(url, method=method)

    assert total(read(client), name, **labels) - before == 1


def test_a_thousand_paths_and_verbs_add_no_labels(client) -> None:
    for path in ("/api/x", "/x", "/static/x", "/api/customers/x"):
        client.get(path)
    client.open("/x", method="BREW")
    before = read(client).keys()

    for number in range(250):
        for path in ("/api", "", "/static", "/api/customers"):
            client.get(f"{path}/made-up-{number}?{number}")
        client.open(f"/made-up-{number}", method=f"BREW{number}")

    assert read(client).keys() == before


def test_time_to_answer_is_measured_by_route(client) -> None:
    name, labels = "mealquest_request_duration_seconds_count", {"path": "/health"}
    before = total(read(client), name, **labels)

    client.get("/health")

    assert total(read(client), name, **labels) - before == 1


def test_no_figure_names_a_person_or_a_merchant(client) -> None:
    client.get("/api/customers/u_secret?merchantId=m_secret", headers={"X-Api-Key": "k_secret"})

    assert "secret" not in client.get("/metrics").text


def test_how_the_strategists_line_and_breaker_stand_is_read_when_asked(app, client) -> None:
    """They are shared by all processes: whichever web server is asked knows them."""
    config, shared = runtime.config(), runtime.shared_by_all()
    gate, breaker = Gate.of(config, shared), Breaker(config, shared)
    with gate.turn("m_1"):
        for _ in range(config.threshold):
            breaker.fail("down")
        during = read(client)
    after = read(client)
    turns, opened = "mealquest_ai_turns", "mealquest_ai_breaker_open"
    assert total(during, turns, state="running") == 1
    assert total(after, turns, state="running") == total(after, turns, state="waiting") == 0
    assert total(during, opened, provider="sandbox", model="sandbox-strategist") == 1
    assert total(during, "mealquest_ai_breaker_failures") == config.threshold
    breaker.answer(usable=True)
    assert total(read(client), opened) == 0
    assert total(after, "mealquest_ai_queue_wait_seconds_count", outcome="served") >= 1
