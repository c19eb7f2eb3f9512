"""Import contracts that import-linter does not have: allow-lists, private parts with their owner, top-level scripts."""

import ast
import re
import sys
from abc import abstractmethod
from collections.abc import Iterator
from pathlib import Path

from grimp import ImportGraph
from importlinter import Contract, ContractCheck, fields, output

Slip = tuple[str, str]


class _Direct(Contract):
    """A contract about direct imports; a subclass yields the slips: who imports what it may not."""

    def check(self, graph: ImportGraph, verbose: bool) -> ContractCheck:
        slips = sorted(set(self.slips(graph)))
        return ContractCheck(kept=not slips, metadata={"slips": slips})

    def render_broken_contract(self, check: ContractCheck) -> None:
        for importer, imported in check.metadata["slips"]:
            output.print_error(f"{importer} imports {imported}", bold=False)

    @abstractmethod
    def slips(self, graph: ImportGraph) -> Iterator[Slip]:
        """Yield who imports what it may not."""


class MayImport(_Direct):
    """The modules below `modules` import, of ours, only what `allowed` matches, and nothing `forbidden`.

    `modules` and `allowed` are regular expressions of a module or the package that it is in. `libraries` are the
    only ones beside the standard library; leave it out to allow all. `forbidden` names packages, ours or not.
    """

    type_name = "may_import"

    modules = fields.StringField()
    allowed = fields.ListField(subfield=fields.StringField(), required=False)
    libraries = fields.ListField(subfield=fields.StringField(), required=False)
    forbidden = fields.ListField(subfield=fields.StringField(), required=False)

    def slips(self, graph: ImportGraph) -> Iterator[Slip]:
        for importer in graph.modules:
            if _is_within(str(self.modules), importer):
                for imported in graph.find_modules_directly_imported_by(importer):
                    if not self._is_allowed(imported):
                        yield importer, imported

    def _is_allowed(self, imported: str) -> bool:
        top = imported.partition(".")[0]
        if any(imported == name or imported.startswith(f"{name}.") for name in self.forbidden or ()):
            return False
        if top == "app":
            return not self.allowed or any(_is_within(pattern, imported) for pattern in self.allowed)
        return not self.libraries or top in self.libraries or top in sys.stdlib_module_names


class Callers(_Direct):
    """Only `callers` import `modules`: regular expressions of whole names, `{group}` is a group of `modules`."""

    type_name = "callers"

    modules = fields.StringField()
    callers = fields.StringField()

    def slips(self, graph: ImportGraph) -> Iterator[Slip]:
        for imported in graph.modules:
            match = re.fullmatch(str(self.modules), imported)
            if match is None:
                continue
            allowed = str(self.callers).format(**match.groupdict())
            for importer in graph.find_modules_that_directly_import(imported):
                if not re.fullmatch(allowed, importer):
                    yield importer, imported


class Scripts(_Direct):
    """The top-level `files`, when they exist, import the standard library and the packages in `allowed` alone."""

    type_name = "scripts"

    files = fields.ListField(subfield=fields.StringField())
    allowed = fields.ListField(subfield=fields.StringField())

    def slips(self, graph: ImportGraph) -> Iterator[Slip]:
        for name in filter(Path.exists, (Path(file) for file in self.files)):
            for imported in _imports(name.read_text("utf-8")):
                top = imported.partition(".")[0]
                if top not in sys.stdlib_module_names and top not in self.allowed:
                    yield str(name), imported


def _is_within(pattern: str, module: str) -> bool:
    return re.match(rf"(?:{pattern})(?:\.|$)", module) is not None


def _imports(source: str) -> Iterator[str]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node.module or ""
