from mealquest.core.errors import Invalid, NotFound, Unavailable


class CampaignNotFound(NotFound):
    code = "CAMPAIGN_NOT_FOUND"

    def __init__(self) -> None:
        super().__init__("campaign not found")


class StatusUnsupported(Invalid):
    code = "CAMPAIGN_STATUS_UNSUPPORTED"

    def __init__(self) -> None:
        super().__init__("unsupported campaign status")


class CampaignsBusy(Unavailable):
    """Other events held the same campaigns for longer than the lock timeout."""

    code = "CAMPAIGNS_BUSY"

    def __init__(self) -> None:
        super().__init__("campaigns are busy, try again")
