"""What can go wrong, as the exit code and the one sentence that a user sees.

Every error that leaves this package is a `ClusterError`; anything else is a defect of ours.
"""


class ClusterError(Exception):
    """The wish was understood and could not be met."""

    exit_code = 1


class UsageError(ClusterError):
    """The command line makes no sense."""

    exit_code = 2


class MachineUnfitError(ClusterError):
    """This machine cannot run nodes. Tests that need nodes are then skipped, never passed.

    Source of the number: EX_UNAVAILABLE in sysexits.h.
    """

    exit_code = 69
