"""`autoglm hold-image`: does nothing, on every node, so that the image counts as in use.

The kubelet of a node with a full disk deletes every image that no container uses, and could then
not pull the cleaner that would free the disk.
"""

import signal
import sys


def main() -> int:
    """Wait for SIGTERM and end."""
    ending = {signal.SIGTERM, signal.SIGINT}
    # The first process of a container hears only signals that it asks for.
    signal.pthread_sigmask(signal.SIG_BLOCK, ending)
    signal.sigwait(ending)
    return 0


if __name__ == "__main__":
    sys.exit(main())
