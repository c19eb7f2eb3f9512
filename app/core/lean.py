"""What Python and the libraries would keep in memory for nobody. Commands that run for long begin with it.

The parent's memory is every child's: what is never loaded is saved once, and its pages are copied by no child.
"""

import ast
import importlib
import importlib.util
import sys
import typing
from collections.abc import Sequence
from importlib.abc import MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder, SourceFileLoader
from types import ModuleType
from typing import Any

UNUSED = ("rich",)  # structlog uses it where it is there, and it brings pygments and attrs: 4 MB
LATE = ("limits.aio",)  # loaded when something in it is asked for, which nobody does
BY_NAME = ("openai.types", "redis.asyncio")  # of the 370 modules of the first we use 70: 10 MB; of the second, 4


def begin() -> None:
    """Load less from now on, in this process and its forks; twice is once."""
    typing.overload = _overload  # type: ignore[assignment]  # a signature less is no matter at run time
    for name in UNUSED:
        sys.modules.setdefault(name, None)  # type: ignore[arg-type]  # None: importing it raises ImportError
    if not any(isinstance(finder, _LateFinder) for finder in sys.meta_path):
        sys.meta_path.insert(0, _LateFinder())


def _overload(function: Any) -> Any:
    """As typing's, which also keeps each signature with its code and docstring for tools that ask: 5 MB."""
    return function  # the last definition of that name takes its place


class _LateFinder(MetaPathFinder):
    """Finds what is loaded when it is first used, not when it is imported."""

    def find_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        is_by_name = any(name == package or name.startswith(f"{package}.") for package in BY_NAME)
        if not is_by_name and name not in LATE:
            return None
        spec = PathFinder.find_spec(name, path, target)
        if spec is None or not isinstance(spec.loader, SourceFileLoader):
            return spec
        if name in LATE:
            spec.loader = importlib.util.LazyLoader(spec.loader)
        elif spec.submodule_search_locations:
            spec.loader = _ByNameLoader(name, spec.loader.path)
        return spec


class _ByNameLoader(SourceFileLoader):
    """Loads a package that hands on names of its modules (``from .image import Image``): each when asked for."""

    def exec_module(self, module: ModuleType) -> None:
        tree = ast.parse(self.get_data(self.path))
        homes: dict[str, tuple[str, str]] = {}
        kept: list[ast.stmt] = []
        for line in tree.body:
            source = _inner(line, module.__name__)
            if isinstance(line, ast.ImportFrom) and source:
                homes.update({one.asname or one.name: (source, one.name) for one in line.names})
            else:
                kept.append(line)
        tree.body = kept

        def found(name: str) -> Any:
            if name in homes:
                source, original = homes[name]
                value = getattr(importlib.import_module(source, module.__name__), original)
            elif importlib.util.find_spec(f"{module.__name__}.{name}"):
                return importlib.import_module(f"{module.__name__}.{name}")
            else:
                raise AttributeError(f"module {module.__name__!r} has no attribute {name!r}")
            setattr(module, name, value)
            return value

        module.__getattr__ = found  # type: ignore[method-assign]  # PEP 562
        exec(compile(tree, self.path, "exec"), module.__dict__)  # noqa: S102 (the package's own code)


def _inner(line: ast.stmt, package: str) -> str:
    """Return the module of *package* that an import takes names from; empty for any other line."""
    if not isinstance(line, ast.ImportFrom) or not line.module:
        return ""
    if line.level:
        return "." * line.level + line.module
    return line.module if line.module.startswith(f"{package}.") else ""
