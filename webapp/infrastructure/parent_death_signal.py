"""Let processes die with their parent.

Also a program, run by its path before anything is imported: `parent_death_signal.py PARENT SIGNAL COMMAND…` ties itself
to PARENT and becomes COMMAND; the tie survives the exec.
"""

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int, with_signal: int = signal.SIGKILL) -> None:
    """Ask Linux to signal this process when `parent` (its PID) dies; exit at once if it is already dead.

    Does nothing on other systems, where leases and the next start clean up.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if os.getppid() != parent:
        os._exit(1)


if __name__ == "__main__":
    die_with_parent(int(sys.argv[1]), int(sys.argv[2]))
    os.execv(sys.argv[3], sys.argv[3:])
