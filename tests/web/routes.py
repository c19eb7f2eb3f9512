"""The routes of the application, as tests walk them."""

from dataclasses import dataclass
from typing import Any

from flask import Flask
from werkzeug.routing import Rule

from app.core.ids import new_id

# What a rule's argument becomes when nothing of that name needs to exist.
ARGUMENTS = {
    "token": "x" * 43, "slug": "no-such-template", "digest": "0", "name": "app.css", "filename": "no-such-file",
    "variant": "small", "form": "csv", "key": "no-such-key", "number": 1,
}  # fmt: skip
WITHOUT_A_VIEW_OF_OURS = {"static", "assets"}


@dataclass(frozen=True)
class Route:
    """One rule with one method, and an address that fits it."""

    endpoint: str
    method: str
    path: str
    has_token: bool

    def __str__(self) -> str:
        return f"{self.method} {self.endpoint}"


def routes(app: Flask, *, unsafe: bool) -> list[Route]:
    """Return every route of ours that may write (*unsafe*) or only reads."""
    found = []
    for rule in app.url_map.iter_rules():
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            if (method != "GET") == unsafe and rule.endpoint not in WITHOUT_A_VIEW_OF_OURS:
                found.append(
                    Route(rule.endpoint, method, _path(app, rule, method), "token" in rule.arguments)
                )
    return found


def _path(app: Flask, rule: Rule, method: str) -> str:
    arguments: dict[str, Any] = {name: ARGUMENTS.get(name, new_id()) for name in rule.arguments}
    with app.test_request_context():
        return str(app.url_map.bind("localhost").build(rule.endpoint, arguments, method=method))
