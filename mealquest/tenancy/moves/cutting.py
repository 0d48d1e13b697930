"""The switch: writers wait a moment, and then they go on at the other place.

Forward or backward it is the same. What decides is one commit at home; before it the merchant
works where it worked, after it at the other place, whatever becomes of the driver.
"""

from contextlib import ExitStack
from dataclasses import dataclass

from sqlalchemy import NullPool, create_engine
from sqlalchemy.orm import Session

from mealquest.audit import service as audit
from mealquest.core.placements import Gate
from mealquest.core.places import HOME
from mealquest.tenancy.moves import records, servers, verifying
from mealquest.tenancy.moves.copying import carry_control_rows
from mealquest.tenancy.moves.domain import MoveState, Report
from mealquest.tenancy.moves.drive import Drive
from mealquest.tenancy.moves.errors import MoveBroken
from mealquest.tenancy.moves.logins import Connection, Login, connect
from mealquest.tenancy.moves.pausing import paused
from mealquest.tenancy.moves.verifying import Fence, catch_up, open_snapshot

CATCH_UP_S = 30.0  # before the pause, while everybody works
_MONEY = (
    "SELECT count(*) || ' ' || coalesce(sum(principal_minor + bonus_minor + silver_minor), 0)"
    " FROM wallets WHERE merchant_id = %s"
)
# Partners' transactions name the merchant, and one transaction is of one database.
_PARTNERS = (
    "SELECT EXISTS (SELECT FROM alliance_links WHERE merchant_id = %s AND shares)"
    " OR EXISTS (SELECT FROM shared_holds WHERE merchant_id = %s)"
    " OR EXISTS (SELECT FROM settlement_positions WHERE merchant_id = %s"
    " AND (position_minor <> 0 OR held_minor <> 0))"
)


@dataclass(frozen=True, slots=True)
class Way:
    """Where writers leave, where they go, and what the move is called after it."""

    source: str
    target: str
    after: MoveState
    mark: str

    @property
    def is_forward(self) -> bool:
        return self.after is MoveState.MOVED


def forward(drive: Drive) -> Way:
    return Way(drive.move.source, drive.move.target, MoveState.MOVED, "cut")


def backward(drive: Drive) -> Way:
    return Way(drive.move.target, drive.move.source, MoveState.RETURNED, "back")


def lay_way_back(drive: Drive) -> None:
    """What the target writes from the switch on is kept for the source."""
    move = drive.move
    drive.reached("way back")
    servers.publish(drive.target, move.backward, move.merchant_id)
    servers.make_slot(drive.target, move.backward)


def drop_way_back(drive: Drive) -> None:
    servers.drop_slot(drive.target, drive.move.backward)
    servers.unpublish(drive.target, drive.move.backward)


@dataclass(frozen=True, slots=True)
class Sides:
    """The driver's connections during one switch: one that breaks is not opened again in it."""

    source: Connection
    target: Connection


def switch(drive: Drive, way: Way) -> Report:
    """Switch, and compare what both sides had at that moment.

    PauseDenied, BehindStill: not now; nothing happened, but `reopen` has to be called.
    """
    merchant_id = drive.merchant_id
    audit.seal(merchant_id)
    sides = Sides(drive.at(way.source), drive.at(way.target))
    with ExitStack() as stack:
        one = stack.enter_context(connect(drive.login(way.source)))
        other = stack.enter_context(connect(drive.login(way.target)))
        sealing = stack.enter_context(_session(drive.login(way.source)))
        catch_up(sides.source, sides.target, merchant_id, way.mark, seconds=CATCH_UP_S)
        if way.is_forward:
            servers.advance_slot(sides.target, drive.move.backward)
        drive.reached("pause")
        with paused(sides.source, merchant_id) as pause:
            _still(drive, way, sides, sealing, Fence(one, other, 0.0))
            _turn(drive, way, sides)
            held = pause.ms
            drive.reached("let go")
        drive.look_again()
        name = "pauseMs" if way.is_forward else "backPauseMs"
        drive.tell(**{name: round(held, 1), "tries": pause.tries})
        drive.reached("compare")
        fence = Fence(one, other, held)
        report = verifying.compare(fence, merchant_id, control=way.target != HOME)
        drive.tell(report=report)
    return report


def reopen(drive: Drive, way: Way) -> None:
    """A switch that did not come to its commit never was: writers go on where they were."""
    if way.source != HOME and servers.gate(drive.at(way.source), drive.merchant_id) is Gate.AWAY:
        servers.set_gate(drive.at(way.source), drive.merchant_id, Gate.OPEN)


def open_target(drive: Drive, place: str) -> None:
    """Let writers in where home says that the merchant works."""
    if place != HOME and servers.gate(drive.at(place), drive.merchant_id) is not Gate.OPEN:
        servers.set_gate(drive.at(place), drive.merchant_id, Gate.OPEN)


def _still(drive: Drive, way: Way, sides: Sides, sealing: Session, fence: Fence) -> None:
    """Inside the pause: bring the other side to the same row, and prove it of the money."""
    merchant_id = drive.merchant_id
    drive.reached("paused")
    audit.seal_rest(sealing, merchant_id)
    sealing.commit()
    drive.reached("sealed")
    catch_up(sides.source, sides.target, merchant_id, way.mark, seconds=verifying.IN_STEP_S)
    drive.reached("caught up")
    open_snapshot(fence.source)
    open_snapshot(fence.target)
    drive.reached("snapshots")
    _require_alone(fence.source, merchant_id)
    mine, theirs = (servers.one(side, _MONEY, merchant_id) for side in (fence.source, fence.target))
    if mine != theirs:
        raise MoveBroken("wallets are not the same on both sides")
    drive.reached("control rows again")
    carry_control_rows(sides.source, sides.target, merchant_id)


def _require_alone(source: Connection, merchant_id: str) -> None:
    """MoveBroken: since the move was allowed the merchant has come to share with somebody."""
    if servers.one(source, _PARTNERS, *[merchant_id] * 3):
        raise MoveBroken("it has come to share a wallet with another store, which must end first")


def _turn(drive: Drive, way: Way, sides: Sides) -> None:
    """The commit that decides, and the gates before and after it."""
    merchant_id, home = drive.merchant_id, drive.home
    if way.is_forward:
        drive.reached("turn")  # a commit that is on disk: up to here nothing is to come back
        servers.write_mark(sides.target, merchant_id, "turn", drive.move.id)
        servers.advance_slot(sides.target, drive.move.backward)
    drive.reached("close")
    if way.source != HOME:
        servers.set_gate(sides.source, merchant_id, Gate.AWAY)
    drive.reached("commit")
    with home.transaction():
        records.advance(home, drive.move, way.after)
        servers.set_place(home, merchant_id, way.target)
        if way.source == HOME:
            servers.set_gate(home, merchant_id, Gate.AWAY)
        if way.target == HOME:
            servers.set_gate(home, merchant_id, Gate.OPEN)
    drive.reached("committed")
    if way.target != HOME:
        servers.set_gate(sides.target, merchant_id, Gate.OPEN)


def _session(login: Login) -> Session:
    """The audit's own functions work on a session; this one is as the mover, past the gates."""
    engine = create_engine(
        "postgresql+psycopg://",
        creator=lambda: connect(login, autocommit=False),
        poolclass=NullPool,
    )
    session = Session(engine)
    session.connection()
    return session
