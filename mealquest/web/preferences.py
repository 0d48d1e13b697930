"""What a browser prefers, kept in its cookies, so that it holds before anybody signs in."""

from flask import Response, after_this_request, current_app, g, request

YEAR_S = 365 * 24 * 3600


def remember(response: Response, name: str, value: str) -> Response:
    response.set_cookie(
        f"mq_{name}",
        value,
        max_age=YEAR_S,
        samesite="Lax",
        httponly=True,
        secure=current_app.config["SESSION_COOKIE_SECURE"],
    )
    return response


def keep(name: str, value: str, allowed: tuple[str, ...]) -> None:
    """Remember a choice that came in an address; anything that is not `allowed` is ignored."""
    if value in allowed:
        setattr(g, f"preferred_{name}", value)
        after_this_request(lambda response: remember(response, name, value))


def preferred(name: str) -> str:
    """What was chosen, with this request or earlier; empty when nothing was."""
    return str(g.get(f"preferred_{name}") or request.cookies.get(f"mq_{name}", ""))
