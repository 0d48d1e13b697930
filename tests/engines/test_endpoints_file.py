import pytest

from mealquest.engines.service import read_endpoints, remove_endpoints, write_endpoints


def test_what_was_written_is_read_and_the_rest_is_null(tmp_path):
    home = tmp_path / "data"
    write_endpoints(home, {"http": "http://127.0.0.1:3030", "db_url": "postgresql://a"})

    assert read_endpoints(home) == {
        "http": "http://127.0.0.1:3030",
        "db_url": "postgresql://a",
        "admin_db_url": None,
        "tenant_dbs": None,
        "redis_url": None,
        "sandbox_ai_url": None,
        "sandbox_stripe_url": None,
    }
    assert (home / "endpoints.json").stat().st_mode & 0o777 == 0o600


def test_a_second_writing_replaces_the_first(tmp_path):
    write_endpoints(tmp_path, {"http": "http://127.0.0.1:3030", "redis_url": "redis://a"})
    write_endpoints(tmp_path, {"http": "http://127.0.0.1:4040"})

    found = read_endpoints(tmp_path)
    assert found["http"] == "http://127.0.0.1:4040"
    assert found["redis_url"] is None


def test_without_a_running_product_there_is_nothing_to_read(tmp_path):
    assert read_endpoints(tmp_path / "data") is None
    write_endpoints(tmp_path, {})
    remove_endpoints(tmp_path)
    remove_endpoints(tmp_path)
    assert read_endpoints(tmp_path) is None


def test_an_unknown_key_is_a_mistake(tmp_path):
    with pytest.raises(ValueError, match="smtp_url"):
        write_endpoints(tmp_path, {"smtp_url": "smtp://127.0.0.1"})
