"""What Python and the libraries would keep in memory for nobody. Commands that run for long begin with it.

The parent's memory is every child's: what is never loaded is saved once, and its pages are copied by no child.
"""

import sys
import typing
from typing import Any

UNUSED = ("rich",)  # structlog uses it where it is there, and it brings pygments and attrs: 4 MB


def begin() -> None:
    """Load less from now on, in this process and its forks; twice is once."""
    typing.overload = _overload  # type: ignore[assignment]  # a signature less is no matter at run time
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: importing it raises ImportError


def _overload(function: Any) -> Any:
    """As typing's, which also keeps each signature with its code and docstring for tools that ask: 5 MB."""
    return function  # the last definition of that name takes its place
