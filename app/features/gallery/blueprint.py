"""The gallery's blueprint: ``views`` has its pages, ``launching`` the launch form, ``saving`` what makes a template."""

from typing import Any

from flask import Blueprint, request

from app.web.csrf import SAFE
from app.web.security import MAX_ANSWER_PARTS
from app.web.visitor import visitor

blueprint = Blueprint("gallery", __name__)


@blueprint.url_value_preprocessor
def _many_answers(_endpoint: str | None, _values: dict[str, Any] | None) -> None:
    """Take a form with as many questions as there may be, from those who are signed in."""
    if request.method not in SAFE and visitor():
        request.max_form_parts = MAX_ANSWER_PARTS
