"""A child process that does not outlive its parent."""

from __future__ import annotations

import ctypes
import os
import signal
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def die_with_parent(parent: int, with_signal: signal.Signals = signal.SIGKILL) -> None:
    """Asks Linux to send this process a signal when `parent` (its pid) dies; at once, if it is dead already.

    Elsewhere it does nothing: there a batch's lease and the next start clean up.
    """
    if sys.platform != "linux":
        return
    ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, int(with_signal), 0, 0, 0)
    if os.getppid() != parent:
        os.kill(os.getpid(), with_signal)
