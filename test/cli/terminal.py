"""Runs a command at a terminal of its own, for tests: what comes in on stdin is typed, what the terminal shows goes to stdout."""
import os
import pty
import sys

sys.exit(os.waitstatus_to_exitcode(pty.spawn(sys.argv[1:])))
