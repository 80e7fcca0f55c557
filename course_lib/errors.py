"""What a user may get wrong, apart from what the library gets wrong."""


class UserError(Exception):
    """Something was asked for that cannot be done; the message gives the reason and the way out.

    The command line prints it as one line. Any other exception is a bug, and keeps its traceback. Each kind is a
    built-in exception as well: whoever calls the library catches ValueError and the like, as everywhere.
    """


class BadValue(UserError, ValueError):
    """A value, a file or a combination of options that makes no sense."""


class UnknownName(UserError, LookupError):
    """Nothing has this name."""


class MissingPackage(UserError, ImportError):
    """A package that is not among the required ones is not installed, or does not fit."""
