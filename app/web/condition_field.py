"""A condition as a setting: a tree of comparisons in groups, one line of a form each."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from app.web import written
from app.web.setting_fields import ABSENT, Pairs, Posted, Setting

MEMBER_OPS = ("in", "not_in")
EMPTY_OPS = ("is_empty", "is_not_empty")
ORDER_OPS = ("gt", "gte", "lt", "lte")


@dataclass(frozen=True, slots=True)
class Node:
    """One line of a condition's form: *kind* is ``all``, ``any``, ``none``, ``not``, ``compare`` or ``raw``.

    *at* is its JSON pointer within the condition; *children* stand under groups.
    """

    path: str
    at: str
    kind: str
    value: str = ""
    op: str = ""
    than: str = ""
    children: "tuple[Node, ...]" = ()


class Condition(Setting):
    """A tree of comparisons in groups. Buttons (``act``) add and take away rows, with or without script."""

    look = "condition"

    @property
    def root(self) -> Node | None:
        """The condition as lines; None where there is none."""
        value = self.shown
        return None if value is ABSENT or value is None else _node(value, self.name, "")

    def pairs(self) -> Pairs:
        """Return the pairs of every line."""
        return list(_node_pairs(self.root)) if self.root else []

    def take(self, posted: Posted) -> Any:
        """Return the tree that was posted, changed as the pressed button says."""
        tree = _read_node(posted, self.name) if f"{self.name}~kind" in posted else ABSENT
        path, _, action = posted.get("act", "").rpartition(":")
        if path == self.name or path.startswith(f"{self.name}."):
            tree = _act(tree, path.removeprefix(self.name), action)
        if tree is not ABSENT:
            return tree
        return None if self.usual is None and self.stored is not ABSENT else ABSENT


BLANK: dict[str, Any] = {"op": "eq"}


def _node(tree: Any, path: str, at: str) -> Node:
    if isinstance(tree, dict):
        if len(tree) == 1:
            for kind in ("all", "any"):
                if isinstance(tree.get(kind), list):
                    return Node(path, at, kind, children=_children(tree[kind], path, f"{at}/{kind}"))
            if "not" in tree:
                inner = tree["not"]
                if isinstance(inner, dict) and len(inner) == 1 and isinstance(inner.get("any"), list):
                    return Node(path, at, "none", children=_children(inner["any"], path, f"{at}/not/any"))
                return Node(path, at, "not", children=(_node(inner, f"{path}.0", f"{at}/not"),))
        if tree.keys() <= {"value", "op", "than"} and isinstance(tree.get("op", ""), str):
            op = tree.get("op", "")
            value = written.write(tree["value"]) if "value" in tree else ""
            return Node(path, at, "compare", value, op, _write_than(op, tree))
    return Node(path, at, "raw", value=written.write(tree))


def _children(parts: list[Any], path: str, at: str) -> tuple[Node, ...]:
    return tuple(_node(part, f"{path}.{number}", f"{at}/{number}") for number, part in enumerate(parts))


def _write_than(op: str, tree: Mapping[str, Any]) -> str:
    if "than" not in tree:
        return ""
    if op in MEMBER_OPS:
        return written.write_list(tree["than"])
    return written.write_amount(tree["than"]) if op in ORDER_OPS else written.write(tree["than"])


def _node_pairs(node: Node) -> Iterator[tuple[str, str]]:
    yield f"{node.path}~kind", node.kind
    if node.kind == "compare":
        yield from ((f"{node.path}~{part}", getattr(node, part)) for part in ("value", "op", "than"))
    if node.kind == "raw":
        yield f"{node.path}~value", node.value
    for child in node.children:
        yield from _node_pairs(child)


def _read_node(posted: Posted, path: str) -> Any:
    kind = posted.get(f"{path}~kind", "")
    if kind == "compare":
        return _read_comparison(posted, path)
    if kind == "raw":
        return written.read(posted.get(f"{path}~value", ""))
    children: list[Any] = []
    while f"{path}.{len(children)}~kind" in posted and len(children) < 200 and path.count(".") < 25:
        children.append(_read_node(posted, f"{path}.{len(children)}"))
    if kind == "not":
        return {"not": children[0] if len(children) == 1 else {"all": children}}
    return {"not": {"any": children}} if kind == "none" else {"any" if kind == "any" else "all": children}


def _read_comparison(posted: Posted, path: str) -> dict[str, Any]:
    value, op, than = (
        posted.get(f"{path}~{part}", "").replace("\r\n", "\n") for part in ("value", "op", "than")
    )
    tree: dict[str, Any] = {"value": written.read(value)} if value.strip() else {}
    if op:
        tree["op"] = op
    if than.strip() and op not in EMPTY_OPS:
        read = (
            written.read_list
            if op in MEMBER_OPS
            else written.read_amount
            if op in ORDER_OPS
            else written.read
        )
        tree["than"] = read(than)
    return tree


def _act(tree: Any, path: str, action: str) -> Any:
    """Change a tree at ``.0.1`` (numbers of children): ``set``, ``clear``, ``add``, ``group``, ``remove``."""
    if action == "clear" and not path:
        return ABSENT
    if action == "set" and tree is ABSENT:
        return dict(BLANK)
    places = [int(part) for part in path.split(".")[1:] if part.isdecimal() and len(part) < 4]
    if action == "remove":
        return _without(tree, places)
    new: Any = {"any": [dict(BLANK), dict(BLANK)]} if action == "group" else dict(BLANK)
    return _with(tree, places, new) if action in ("add", "group") else tree


def _without(tree: Any, places: Sequence[int]) -> Any:
    """Take a part away; a group of which nothing is left goes too."""
    if not places:
        return ABSENT
    kind, parts = _parts(tree)
    if kind is None or places[0] >= len(parts):
        return tree
    left = _without(parts[places[0]], places[1:])
    parts[places[0] : places[0] + 1] = [] if left is ABSENT else [left]
    return _grouped(kind, parts) if parts else ABSENT


def _with(tree: Any, places: Sequence[int], new: Any) -> Any:
    """Add a part to a group; beside a comparison, a group of both is made."""
    kind, parts = _parts(tree)
    if kind is None or kind == "not":
        return {"all": [new] if tree is ABSENT else [tree, new]}
    if not places:
        return _grouped(kind, [*parts, new])
    if places[0] < len(parts):
        parts[places[0]] = _with(parts[places[0]], places[1:], new)
    return _grouped(kind, parts)


def _parts(tree: Any) -> tuple[str | None, list[Any]]:
    node = _node(tree, "", "") if isinstance(tree, dict) else None
    if node is None or node.kind in ("compare", "raw"):
        return None, []
    if node.kind == "none":
        return "none", list(tree["not"]["any"])
    return node.kind, [tree["not"]] if node.kind == "not" else list(tree[node.kind])


def _grouped(kind: str, parts: list[Any]) -> Any:
    if kind == "not":
        return {"not": parts[0]}
    return {"not": {"any": parts}} if kind == "none" else {kind: parts}
