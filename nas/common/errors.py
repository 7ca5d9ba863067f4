"""What the user can mend: a sentence with the place, the value and the way on, no traceback."""


class UserError(ValueError):
    """Ends the program with status 2 and its text."""


class SpaceError(UserError):
    """What is wrong with a search space: one line for each fault, each with its place."""


class StudyError(UserError):
    """What is wrong with a study or its storage."""


class ExportError(UserError):
    """Why a study cannot be exported."""


class NasWarning(UserWarning):
    """What the user should know, though the work goes on."""


def first_line(error: BaseException) -> str:
    """What the first cause of an exception says, without what follows it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return (str(error) or type(error).__name__).splitlines()[0].rstrip(". ")


def shown(value: object) -> str:
    """A value as it is told to the user, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 60 else text[:57] + "..."
