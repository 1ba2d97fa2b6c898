"""Have the kernel signal a child when the process that started it dies, however it dies."""

from __future__ import annotations

import ctypes
import os
import signal
import sys
from collections.abc import Callable
from typing import Final

_PR_SET_PDEATHSIG: Final = 1
# Loaded here, not in the child: between fork and exec a child must not take the dynamic loader's locks.
_libc: Final = ctypes.CDLL(None, use_errno=True) if sys.platform == "linux" else None


def die_with_parent(how: signal.Signals, parent: int) -> Callable[[], None]:
    """What a child of process `parent` runs between fork and exec (`preexec_fn`) to get `how` on the parent's death.

    The kernel watches the thread that forked, so fork from a thread that lives as long as the process: the main one.
    Linux only; elsewhere it does nothing, and leftovers are found through their lock.
    """
    number = int(how)

    def set_signal() -> None:
        if _libc is None:
            return
        if _libc.prctl(_PR_SET_PDEATHSIG, number, 0, 0, 0) != 0:
            raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG)")
        if os.getppid() != parent:  # it died before the kernel was asked: nobody would be told
            os._exit(1)

    return set_signal
