import pytest

from tests.identity.steps import hire, open_shop


@pytest.fixture
def shop(app) -> str:
    """A merchant whose owner's phone is PHONE, beside another one that nobody here works at."""
    open_shop("m_noise", "Noise")
    open_shop("m_a")
    hire("m_a", staff_id="staff_owner")
    return "m_a"
