import pytest


@pytest.fixture
def change_settings(app, monkeypatch):
    """Run the rest of the test under other settings: `change_settings(profile=Profile.PROD)`."""

    def change(**settings) -> None:
        changed = app.config["SETTINGS"].model_copy(update=settings)
        monkeypatch.setitem(app.config, "SETTINGS", changed)

    return change
