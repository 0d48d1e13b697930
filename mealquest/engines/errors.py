"""What can go wrong with the engines, in sentences an operator can act on."""


class EngineError(Exception):
    """Any failure of this package that is not a programming error."""


class EnginesNotRunning(EngineError):
    """A caller asked to attach only, and there is nothing to attach to."""


class EngineFailed(EngineError):
    """An engine did not start; the message ends with the last lines of its log."""


class DatabaseMissing(EngineError):
    """The named database does not exist and could not be created."""


class RolesMissing(EngineError):
    """The application's roles are not there, and this login may not create or grant them."""


class UnsafeRole(EngineError):
    """A role that must obey row-level security could pass it."""
