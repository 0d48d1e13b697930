from mealquest.core.errors import Forbidden, Invalid, Unauthenticated


class HandshakeInvalid(Invalid):
    code = "HANDSHAKE_INVALID"


class TicketInvalid(Unauthenticated):
    """Unknown, used, or older than half a minute."""

    code = "TICKET_INVALID"

    def __init__(self) -> None:
        super().__init__("ticket is not valid")


class OriginDenied(Forbidden):
    """A page of another site tries to listen with this browser's cookie."""

    code = "ORIGIN_DENIED"

    def __init__(self) -> None:
        super().__init__("origin is not allowed")
