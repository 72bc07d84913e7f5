"""Run a command that dies with the process that asked for it: `tied.py PARENT SIGNAL COMMAND…`.

Run by its path, before anything is imported. Linux sends SIGNAL to the command when PARENT ends,
however it ends; the setting outlives the exec. Elsewhere the command is just run.
"""

import ctypes
import os
import sys

PR_SET_PDEATHSIG = 1  # <linux/prctl.h>


def main(parent: int, signal_number: int, command: list[str]) -> None:
    """Tie this process to `parent`, then become `command`; ends at once if `parent` is gone."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal_number)
    if os.getppid() != parent:  # it ended before the tie was made
        sys.exit(1)
    os.execv(command[0], command)


if __name__ == "__main__":
    main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3:])
