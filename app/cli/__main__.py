"""Lets ``python -m app.cli`` be the command line, which ``bin/greenlight`` starts."""

import sys

from app.cli.program import main

if __name__ == "__main__":
    sys.exit(main())
