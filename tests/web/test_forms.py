"""A pydantic model becomes a form; errors stand beside their fields, in the order label, help, error, field."""

from datetime import date
from enum import StrEnum
from typing import Literal

import pytest
from flask import Flask, render_template_string
from pydantic import BaseModel, Field

from app.core.errors import FieldError, Invalid
from app.web.forms import form_for
from tests.page import Page


class Style(StrEnum):
    """Two looks."""

    SHOWROOM = "showroom"
    ON_LOCATION = "on_location"


class Config(BaseModel):
    """A step's settings."""

    prompt: str = Field(title="What to write", description="As you would tell a colleague.", max_length=2000)
    count: int = Field(10, ge=1, le=20, title="How many")
    creativity: Literal["safe", "balanced"] = "balanced"
    style: Style = Style.SHOWROOM
    until: date | None = None
    shout: bool = False
    nested: dict[str, str] = {}


def shown(app: Flask, data: dict[str, str] | None, problems: Invalid | None = None) -> tuple[Page, bool]:
    with app.test_request_context("/", method="POST" if data is not None else "GET", data=data):
        form = form_for(Config)()
        is_right = form.validate() if data is not None else True
        if problems:
            form.add_problems(problems)
        template = (
            '{% from "components/field.html" import field %}{% from "components/problems.html" import problems %}'
            "{{ problems(form.problems) }}{% for one in form %}{{ field(one) }}{% endfor %}"
        )
        return Page(render_template_string(template, form=form)), is_right


def test_every_simple_field_is_there_with_its_default(web_app: Flask) -> None:
    page, _ = shown(web_app, None)
    assert page.faults == []
    names = [attrs["name"] for tag, attrs in page.tags if tag in ("input", "select", "textarea")]
    assert names == ["prompt", "count", "creativity", "style", "until", "shout", "csrf_token"]
    assert page.fields()["count"] == "10"
    assert "On location" in page.text


def test_label_help_error_field_stand_in_this_order(web_app: Flask) -> None:
    page, is_right = shown(
        web_app, {"prompt": "", "count": "21", "creativity": "balanced", "style": "showroom"}
    )
    assert not is_right
    own = [
        (tag, attrs) for tag, attrs in page.tags if "prompt" in (attrs.get("for", "") + attrs.get("id", ""))
    ]
    assert [tag for tag, _ in own] == ["label", "p", "p", "textarea"]
    assert [attrs.get("id") for _, attrs in own] == [None, "prompt-help", "prompt-error", "prompt"]
    field = own[-1][1]
    assert (field["aria-describedby"], field["aria-invalid"]) == ("prompt-help prompt-error", "true")
    links = [attrs["href"] for attrs in page.attributes("a")]
    assert links == ["#prompt", "#count"]


def test_optional_fields_say_so(web_app: Flask) -> None:
    page, _ = shown(web_app, None)
    assert "Until (optional)" in page.text
    assert "What to write (optional)" not in page.text


def test_what_a_service_found_stands_beside_its_field(web_app: Flask) -> None:
    found = Invalid("Two things.", [FieldError("/config/count", "x", "Too many for this budget.", "Take 5."),
                                    FieldError("/elsewhere", "x", "The workspace is closed.")])  # fmt: skip
    page, _ = shown(
        web_app, {"prompt": "Ten ads", "count": "5", "creativity": "safe", "style": "showroom"}, found
    )
    assert page.faults == []
    assert "Too many for this budget. Take 5." in page.text
    assert "The workspace is closed." in page.text


@pytest.mark.parametrize("count", ["0", "21", "ten"])
def test_bounds_come_from_the_model(web_app: Flask, count: str) -> None:
    _, is_right = shown(web_app, {"prompt": "x", "count": count, "creativity": "safe", "style": "showroom"})
    assert not is_right


def test_unknown_choices_are_refused(web_app: Flask) -> None:
    assert not shown(web_app, {"prompt": "x", "count": "1", "creativity": "wild", "style": "showroom"})[1]
