"""A workflow on the desk, and somebody who may change it."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from flask import Flask
from flask.testing import FlaskClient

from app.core.db import db
from app.features.workflows import queries, service
from app.features.workflows.desk import Desk, lay
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
from tests.cast import Cast, enter
from tests.factories import ADS
from tests.page import Page

HTMX = {"HX-Request": "true"}


@pytest.fixture
def cast(app: Flask) -> Cast:
    """Alice, Bob and Charlie."""
    return enter(app)


@dataclass
class Bench:
    """Alice's workflow, her browser, and what its draft is."""

    cast: Cast
    workflow_id: str
    browser: FlaskClient

    @property
    def url(self) -> str:
        """The builder's address."""
        return f"/workflows/{self.workflow_id}/edit"

    @property
    def draft(self) -> Draft:
        """The draft as it is now."""
        with self.cast.app.app_context():
            return queries.draft_of(db.session(), db.session.get_one(Workflow, self.workflow_id))

    @property
    def steps(self) -> dict[str, dict[str, Any]]:
        """The draft's steps by id."""
        return {step["id"]: step for step in self.draft.definition["steps"]}

    @property
    def desk(self) -> Desk:
        """The draft as it lies on the desk."""
        with self.cast.app.app_context():
            desk = lay(db.session(), db.session.get_one(Workflow, self.workflow_id))
            _ = desk.gone  # read while the database is at hand
            return desk

    def form(self, path: str) -> dict[str, Any]:
        """Return what a browser would post from the form at *path* (names to one or several texts)."""
        return controls(self.browser.get(self.url + path).text)

    def post(self, path: str, data: dict[str, Any], *, htmx: bool = False, status: int | None = None) -> Any:
        """Post, and see that the answer is the expected one."""
        answer = self.browser.post(self.url + path, data=data, headers=HTMX if htmx else {})
        assert answer.status_code == (status or (200 if htmx else 303)), answer.text[:2000]
        return answer


@pytest.fixture
def bench(cast: Cast) -> Bench:
    """The ads workflow."""
    return make_bench(cast, ADS)


@pytest.fixture
def make(cast: Cast) -> Callable[[dict[str, Any]], Bench]:
    """Return a function that puts any definition on a bench."""
    return lambda definition: make_bench(cast, definition)


def make_bench(cast: Cast, definition: dict[str, Any]) -> Bench:
    """Put a draft of *definition* on Alice's bench."""
    with cast.app.app_context():
        made = service.create_draft(
            db.session(), workspace_id=cast.alice.workspace_id, name="Ads <b>", actor_id=cast.alice.user_id,
            definition=definition,
        )  # fmt: skip
        db.session.commit()
        return Bench(cast, made.id, cast.browser(cast.alice))


class _Controls(Page):
    """Reads a page's controls as a browser posts them, texts of areas included."""

    def __init__(self, html: str) -> None:
        self.found: dict[str, list[str]] = {}
        self._area: str | None = None
        self._select: str | None = None
        self._options: list[tuple[str, bool]] = []
        super().__init__(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        super().handle_starttag(tag, attrs)
        given = {name: value or "" for name, value in attrs}
        if tag == "input" and given.get("name") and given.get("type") not in ("submit", "button"):
            if given.get("type") not in ("checkbox", "radio") or "checked" in given:
                self._add(given["name"], given.get("value", ""))
        elif tag == "textarea":
            self._area, self._text = given.get("name"), ""
        elif tag == "select":
            self._select, self._options = given.get("name"), []
        elif tag == "option":
            self._options.append((given.get("value", ""), "selected" in given))

    def handle_data(self, data: str) -> None:
        super().handle_data(data)
        if self._area is not None:
            self._text += data

    def handle_endtag(self, tag: str) -> None:
        super().handle_endtag(tag)
        if tag == "textarea" and self._area is not None:
            self._add(self._area, self._text.removeprefix("\n").replace("\n", "\r\n"))
            self._area = None
        if tag == "select" and self._select and self._options:
            chosen = [value for value, is_chosen in self._options if is_chosen]
            self._add(self._select, (chosen or [self._options[0][0]])[-1])
            self._select = None

    def _add(self, name: str, value: str) -> None:
        self.found.setdefault(name, []).append(value)


def controls(html: str, start: str = '<form class="pad') -> dict[str, Any]:
    """Return what a browser posts of the panel's form."""
    begin = html.index(start)
    form = html[begin : html.index("</form>", begin) + len("</form>")].replace("\r\n", "\n")
    return {name: values[0] if len(values) == 1 else values for name, values in _Controls(form).found.items()}
