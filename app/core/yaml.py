"""YAML 1.2 as people write definitions: plain data, dates as text; no aliases, no doubled keys, no objects."""

import json
import re
from collections.abc import Sequence
from io import StringIO
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, CollectionEndEvent, CollectionStartEvent
from ruamel.yaml.nodes import MappingNode, Node, SequenceNode

MAX_DEPTH = 64


class YamlInvalid(ValueError):
    """The text is not YAML: *line* and *column* (from 1, 0 where unknown) and *why*, in the parser's words."""

    def __init__(self, why: str, line: int = 0, column: int = 0) -> None:
        super().__init__(why)
        self.why = why
        self.line = line
        self.column = column


class _Plain(SafeConstructor):
    """Keeps dates as the text that was written."""


_Plain.add_constructor("tag:yaml.org,2002:timestamp", lambda _self, node: node.value)


def load(text: str) -> Any:
    """Return the plain data that *text* holds; JSON is YAML too. Raises :class:`YamlInvalid`."""
    _check_numbers(text)
    try:
        _check_events(text)
        return _yaml().load(text)
    except DuplicateKeyError as error:
        name = re.search(r'duplicate key "(.*?)" with', error.problem or "")
        what = f"the key {name[1]!r}" if name else "a key"
        mark = error.problem_mark
        raise YamlInvalid(f"{what} stands twice", mark.line + 1, mark.column + 1) from error
    except MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (0, 0)
        raise YamlInvalid((error.problem or "it cannot be read").split("\n")[0], line, column) from error
    except (YAMLError, RecursionError, ValueError) as error:
        if isinstance(error, YamlInvalid):
            raise
        if "integer string conversion" in str(error):  # Python's own guard against numbers that take for ever
            raise YamlInvalid("a number has more digits than can be read") from error
        raise YamlInvalid(str(error).split("\n")[0] or "it cannot be read") from error


def _check_numbers(text: str) -> None:
    """Refuse what some programs write into JSON for numbers that are none: YAML would take it for a word."""

    def refuse(name: str) -> None:
        raise YamlInvalid(f"{name} is not a number that JSON knows", *_place(text, name))

    if text.lstrip()[:1] in ("{", "["):
        try:
            json.loads(text, parse_constant=refuse)
        except YamlInvalid:
            raise
        except (ValueError, RecursionError):
            return  # it is YAML that begins like JSON, or what is wrong with it is found there


def _place(text: str, name: str) -> tuple[int, int]:
    before = re.split(rf"(?<![\w\"]){re.escape(name)}(?![\w\"])", text, maxsplit=1)[0]
    return before.count("\n") + 1, len(before) - before.rfind("\n")


def _check_events(text: str) -> None:
    """Refuse aliases, which could make a bomb of a few lines, and nesting that no definition needs."""
    depth = 0
    for event in _yaml().parse(text):
        mark = event.start_mark
        if isinstance(event, AliasEvent):
            raise YamlInvalid("aliases are not supported", mark.line + 1, mark.column + 1)
        depth += isinstance(event, CollectionStartEvent) - isinstance(event, CollectionEndEvent)
        if depth > MAX_DEPTH:
            raise YamlInvalid(f"it is nested more than {MAX_DEPTH} deep", mark.line + 1, mark.column + 1)


def _yaml() -> YAML:
    reader = YAML(typ="safe", pure=True)
    reader.Constructor = _Plain
    return reader


def dump(data: Any) -> str:
    """Write plain data as YAML in the order of its keys; :func:`load` reads the same data again."""
    writer = YAML(pure=True)
    writer.default_flow_style = False
    writer.width = 100
    writer.indent(mapping=2, sequence=4, offset=2)
    text = StringIO()
    writer.dump(data, text)
    return text.getvalue()


def line_of(text: str, path: str) -> int:
    """Return the line (from 1) of *text* where the place that a JSON pointer names begins, or the nearest above it.

    *text* is one that :func:`load` can read; JSON is YAML too.
    """
    return lines_of(text, [path])[0]


def lines_of(text: str, paths: Sequence[str]) -> list[int]:
    """Return :func:`line_of` each of *paths*, reading *text* once."""
    root: Node | None = _yaml().compose(text)
    return [_line(root, path.split("/")[1:]) for path in paths]


def found_lines(text: str, paths: Sequence[str]) -> dict[str, int]:
    """Return :func:`line_of` each of *paths* by the path; nothing where *text* cannot be read."""
    try:
        return dict(zip(paths, lines_of(text, paths), strict=True))
    except (YAMLError, RecursionError, ValueError):
        return {}


def _line(node: Node | None, parts: Sequence[str]) -> int:
    line = node.start_mark.line if node is not None else 0
    for part in parts:
        wanted = part.replace("~1", "/").replace("~0", "~")
        if isinstance(node, MappingNode):
            found = next(((key, value) for key, value in node.value if key.value == wanted), None)
        elif isinstance(node, SequenceNode) and wanted.isdecimal() and int(wanted) < len(node.value):
            found = (node.value[int(wanted)],) * 2
        else:
            found = None
        if found is None:
            break
        line, node = found[0].start_mark.line, found[1]
    return line + 1
