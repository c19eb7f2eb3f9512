"""The form of the decision page: what was typed, kept as it was typed until it is right."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from app.core.errors import FieldError
from app.features.approvals.enums import Decision
from app.features.approvals.queries import Item
from app.features.approvals.words import REASONS

OTHER = REASONS[-1]
# What the buttons say besides a decision: ask for the reason first, or go back from there.
ASK, BACK = "reject", "back"


@dataclass(frozen=True, slots=True)
class Card:
    """One text on the page, with what was typed into it and what is wrong with that."""

    item: Item
    title: str
    body: str
    problems: Mapping[str, FieldError]

    @property
    def is_changed(self) -> bool:
        """Whether something was typed."""
        return (self.title, self.body) != (self.item.title, self.item.body)


@dataclass(frozen=True, slots=True)
class DecisionForm:
    """What came with the button that was pressed; empty for a page that is opened."""

    button: str = ""
    kind: str = ""
    more: str = ""
    seen_at: datetime | None = None  # when the page was made
    edits: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    @classmethod
    def read(cls, values: Mapping[str, str], document_ids: Sequence[str]) -> "DecisionForm":
        """Read a submitted form; fields for documents that are not asked about are ignored."""
        edits: dict[str, dict[str, Any]] = {}
        for document_id in document_ids:
            edit: dict[str, Any] = {}
            if (body := values.get(f"body-{document_id}")) is not None:
                edit["body"] = body.replace("\r\n", "\n")
            if (title := values.get(f"title-{document_id}")) is not None:
                edit["title"] = " ".join(title.split())
            version = values.get(f"version-{document_id}", "")
            if edit and version.isascii() and version.isdigit() and len(version) < 9:
                edit["version"] = int(version)
            if edit:
                edits[document_id] = edit
        kind = values.get("kind", "")
        return cls(
            button=values.get("decision", ""),
            kind=kind if kind in REASONS else "",
            more=values.get("more", "").replace("\r\n", "\n").strip(),
            seen_at=_moment(values.get("seen_at", "")),
            edits=edits,
        )

    @property
    def decision(self) -> Decision | None:
        """The decision, when the button was one."""
        return Decision(self.button) if self.button in tuple(Decision) else None

    @property
    def asks_reason(self) -> bool:
        """Whether the page shows the question why."""
        return self.button in (ASK, Decision.REJECTED)

    @property
    def reason(self) -> str:
        """The reason in one text: the one from the list and what was added."""
        listed = "" if self.kind == OTHER and self.more else self.kind
        if self.kind == OTHER and not self.more:
            return ""
        return ": ".join(part for part in (listed, self.more) if part)

    def cards(self, items: Sequence[Item], problems: Sequence[FieldError] = ()) -> list[Card]:
        """Return the texts with what was typed and what is wrong beside it."""
        found: dict[str, dict[str, FieldError]] = {}
        for problem in problems:
            parts = problem.path.split("/")
            if len(parts) == 4 and parts[1] == "edits":
                found.setdefault(parts[2], {})[parts[3]] = problem
        return [
            Card(
                item=item,
                title=str(self.edits.get(item.id, {}).get("title", item.title)),
                body=str(self.edits.get(item.id, {}).get("body", item.body)),
                problems=found.get(item.id, {}),
            )
            for item in items
        ]


def _moment(text: str) -> datetime | None:
    try:
        found = datetime.fromisoformat(text)
    except ValueError:
        return None
    return found if found.tzinfo else None
