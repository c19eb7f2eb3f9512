"""A worker dyno: ``python worker.py``, or ``python worker.py clock``. One small parent forks it and tidies up."""

import sys

from app.core import lean

ROLES = ("worker", "clock")

if __name__ == "__main__":
    role = sys.argv[1] if len(sys.argv) > 1 else "worker"
    if role not in ROLES or len(sys.argv) > 2:
        sys.exit(f"usage: python worker.py [{'|'.join(ROLES)}]")
    lean.begin()
    from app import supervisor

    sys.exit(supervisor.main((role,)))
