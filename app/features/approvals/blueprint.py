"""The blueprint of approvals: ``views`` has the pages inside, ``by_link`` those for people without an account."""

from typing import Any

from flask import Blueprint, request

blueprint = Blueprint("approvals", __name__)


@blueprint.url_value_preprocessor
def _many_texts(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Take a form of up to 200 texts with three fields each; elsewhere a form has at most 200 parts."""
    request.max_form_parts = 1000
