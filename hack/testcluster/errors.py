"""What can go wrong, as the exit code and the one sentence that a user sees.

Every error that leaves this package is a `ClusterError`; anything else is a defect of ours.
"""


class ClusterError(Exception):
    """The wish was understood and could not be met."""

    exit_code = 1


class UsageError(ClusterError):
    """The command line makes no sense."""

    exit_code = 2


class UnavailableError(ClusterError):
    """This machine or this provider cannot do it. Tests that need it are skipped, never passed.

    Source of the number: EX_UNAVAILABLE in sysexits.h.
    """

    exit_code = 69
