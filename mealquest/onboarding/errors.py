from mealquest.core.errors import Forbidden


class OnboardSecretInvalid(Forbidden):
    code = "ONBOARD_SECRET_INVALID"

    def __init__(self) -> None:
        super().__init__("onboard secret invalid")


class DemoDataRefused(Forbidden):
    code = "DEMO_DATA_REFUSED"

    def __init__(self) -> None:
        super().__init__("demo data is refused in prod")
