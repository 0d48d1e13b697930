"""What migration takes in."""

from mealquest.core.wire import Input, Line, Str


class NoteForm(Input):
    note: Line = ""


class MigrationStepForm(NoteForm):
    """One of the contract's steps, in any case of letters."""

    step: Str = ""
