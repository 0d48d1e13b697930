"""The image, the composition and the scripts that start them: they name what is there."""

import re
import subprocess

import psycopg
import pytest
import yaml

from mealquest import deploy
from mealquest.core.settings import Settings
from tests.isolation import pooler
from tests.product.running import ROOT, environment

COMPOSE = yaml.safe_load((ROOT / "docker-compose.yml").read_text())
SERVICES = COMPOSE["services"]
DOCKERFILE = (ROOT / "Dockerfile").read_text()
PRODUCT = ("web", "worker", "scheduler", "migrate")
SECRETS = {
    "MQ_DB_URL": "postgresql://x@127.0.0.1:1/x",
    "MQ_REDIS_URL": "redis://127.0.0.1:1/0",
    "MQ_PUBLIC_BASE_URL": "https://shop.example",
    "MQ_PAYMENT_CALLBACK_SECRET": "a secret of this test",
    "MQ_ENCRYPTION_KEYS": "k1:AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=",
}


def known_variables() -> set[str]:
    aliases = (field.validation_alias for field in Settings.model_fields.values())
    return {name for alias in aliases for name in getattr(alias, "choices", [alias])}


def instructions(text: str) -> list[tuple[str, str]]:
    """(instruction, the rest) of the last stage of a Dockerfile."""
    joined = re.sub(r"\\\n", " ", text)
    lines = [line for line in joined.splitlines() if line and not line.startswith("#")]
    begins = [number for number, line in enumerate(lines) if line.startswith("FROM")]
    return [tuple(line.split(" ", 1)) for line in lines[begins[-1] :]]


# --- the image ------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["Dockerfile", "deploy/pgbouncer/Dockerfile"])
def test_an_image_is_of_a_pinned_base_and_runs_as_nobody_with_a_number(name) -> None:
    text = (ROOT / name).read_text()
    bases = re.findall(r"^FROM (\S+)", text, re.MULTILINE)
    assert all(re.search(r":\d+\.\d+", base) for base in bases)
    last = dict(instructions(text))
    assert re.fullmatch(r"[1-9]\d+:[1-9]\d+", last["USER"])
    assert "curl" not in last["HEALTHCHECK"]
    assert last["STOPSIGNAL"] in {"SIGTERM", "SIGINT"}


def test_the_last_stage_has_no_tools_to_build_and_copies_what_is_there() -> None:
    last = instructions(DOCKERFILE)
    run = " ".join(rest for name, rest in last if name == "RUN")
    assert not re.search(r"\b(apt-get|pip|gcc|make)\b", run)
    copied = [rest.split() for name, rest in last if name == "COPY" and "--from" not in rest]
    sources = {source for *each, _to in copied for source in each}
    assert {name for name in sources if not (ROOT / name).exists()} == set()
    let_in = set(re.findall(r"^!(\S+)", (ROOT / ".dockerignore").read_text(), re.MULTILINE))
    assert sources | {"requirements.txt"} == let_in
    needed = {"app.py", "gunicorn.conf.py", "mealquest", "jobs", "migrations", "templates"}
    assert needed | {"static", "scripts"} <= sources


# --- the composition ------------------------------------------------------------------------


def test_every_service_is_watched_bounded_and_logged() -> None:
    for name, service in SERVICES.items():
        assert service["deploy"]["resources"]["limits"].keys() == {"cpus", "memory"}, name
        assert service["logging"]["options"]["max-size"], name
        assert service["restart"] == ("no" if name in {"migrate", "backup"} else "unless-stopped")
        assert "healthcheck" in service or name in PRODUCT, name  # the image has its own
        if "build" not in service:
            assert re.search(r":\d+\.\d+", service["image"]), name
        for other, wait in service.get("depends_on", {}).items():
            once = SERVICES[other]["restart"] == "no"
            wanted = "service_completed_successfully" if once else "service_healthy"
            assert wait["condition"] == wanted, f"{name} waits for {other}"
    published = {name for name, service in SERVICES.items() if "ports" in service}
    assert published == {"web"}


def test_every_variable_is_a_setting_and_every_command_a_role() -> None:
    template = (ROOT / "scripts/new-env").read_text().partition("product.env <<END\n")[2]
    given = set(re.findall(r"^(\w+)=", template, re.MULTILINE))
    for name in PRODUCT:
        given |= SERVICES[name]["environment"].keys()
        assert SERVICES[name]["command"][0] == name
    assert given - known_variables() == set()
    secrets = {"MQ_JWT_SECRET", "MQ_PAYMENT_CALLBACK_SECRET", "MQ_ENCRYPTION_KEYS"}
    assert given >= secrets | {"MQ_DB_URL", "MQ_DB_DIRECT_URL", "MQ_REDIS_URL", "MQ_ENV"}
    roles = re.search(r"usage: scripts/start (\S+)", (ROOT / "scripts/start").read_text())[1]
    assert set(roles.split("|")) == set(PRODUCT)


def test_only_who_migrates_knows_the_owner_of_the_database() -> None:
    text = {name: yaml.safe_dump(service) for name, service in SERVICES.items()}
    assert {name for name in text if "DB_OWNER_PASSWORD" in text[name]} == {"migrate", "postgres"}
    assert "@pgbouncer:6432" in SERVICES["web"]["environment"]["MQ_DB_URL"]
    assert "@postgres:5432" in SERVICES["web"]["environment"]["MQ_DB_DIRECT_URL"]


def test_the_real_pgbouncer_takes_its_configuration(app, monkeypatch) -> None:
    """With the tests' server behind it; passwords are tried by hand only."""
    ini = (ROOT / "deploy/pgbouncer/pgbouncer.ini").read_text()
    for given, here in {
        "mealquest = host=postgres": "{database} = host={host}",
        "port=5432 dbname=mealquest": "port={port}",
        "listen_addr = *": "listen_addr = 127.0.0.1",
        "listen_port = 6432": "listen_port = {listen}",
        "auth_type = scram-sha-256": "auth_type = trust",
        "auth_file = /tmp/users": "auth_file = users",
    }.items():
        assert given in ini
        ini = ini.replace(given, here)
    monkeypatch.setattr(pooler, "CONFIGURATION", ini)
    with (
        pooler.pooling(app.config["MIGRATION_URL"], connections=2) as url,
        psycopg.connect(url, prepare_threshold=None) as connection,
    ):
        assert connection.execute("select 1").fetchone() == (1,)


# --- the scripts ----------------------------------------------------------------------------


def start(*argv: str, **settings: str) -> subprocess.CompletedProcess[str]:
    command = [ROOT / "scripts" / argv[0], *argv[1:]]
    return subprocess.run(
        command, check=False, env=environment(**settings), capture_output=True, text=True
    )


def test_what_is_mandatory_in_prod_is_listed_in_one_message() -> None:
    refused = start("start-prod", "web", MQ_JWT_SECRET="", MQ_WEB_THREADS="many")
    assert refused.returncode == deploy.REFUSED
    for name in (*SECRETS, "MQ_JWT_SECRET", "MQ_WEB_THREADS"):
        assert name in refused.stderr
    assert "Traceback" not in refused.stderr


def test_sandboxes_are_refused_and_roles_that_nobody_knows() -> None:
    sandbox = start("start-staging", "worker", MQ_AI_PROVIDER="sandbox", **SECRETS)
    assert sandbox.returncode == deploy.REFUSED
    assert "MQ_AI_PROVIDER" in sandbox.stderr
    nobody = start("start-prod", "waiter", **SECRETS)
    assert nobody.returncode == deploy.REFUSED
    assert "web|worker|scheduler|migrate" in nobody.stderr


def test_a_version_waits_for_its_migrations_and_not_for_those_of_the_next(app) -> None:
    assert deploy._stands(app) == deploy.HERE
    url = app.config["MIGRATION_URL"]
    for revision, stands in (("0001_first_tables", deploy.BEHIND), ("9999_next", deploy.AHEAD)):
        with psycopg.connect(url) as connection:
            connection.execute("update alembic_version set version_num = %s", (revision,))
            try:
                connection.commit()
                assert deploy._stands(app) == stands
            finally:
                head = deploy._script(app).get_current_head()
                connection.execute("update alembic_version set version_num = %s", (head,))


def test_a_login_without_rights_may_read_how_far_migrations_are(app) -> None:
    with psycopg.connect(app.config["MIGRATION_URL"]) as connection:
        connection.execute("set role mealquest_app")
        assert deploy._revision(connection) == deploy._script(app).get_current_head()
