"""Starts a live node whose wall clock is wrong: `python -m tests.chaos.launch SECONDS ...`.

Only `time.time` is moved, before anything of Dojo is imported; clocks that count, and the database's, are right.
"""

from __future__ import annotations

import sys
import time


def main() -> int:
    """The live node's exit code."""
    seconds = float(sys.argv.pop(1))
    right = time.time
    if seconds:
        time.time = lambda: right() + seconds
    from dojo import live_node

    return live_node.main()


if __name__ == "__main__":
    sys.exit(main())
