"""The kind of error that is a person's to put right."""


class Mistake(ValueError):  # noqa: N818 - it says whose it is
    """A setting, a file or a value that a person can put right. The command line shows the message and no traceback."""
