"""A length of time: a number and its unit on the page, seconds in the definition, exactly."""

from typing import Any

import pytest
import wtforms
from werkzeug.datastructures import MultiDict

from app.web.setting_fields import ABSENT
from app.web.span_field import Span


def span(stored: Any, posted: dict[str, str] | None = None, **options: Any) -> Span:
    made = type("Spans", (wtforms.Form,), {"s": Span("How long", **options)})
    form = made(MultiDict(posted) if posted else None, data={} if stored is ABSENT else {"s": stored})
    field = form["s"]
    assert isinstance(field, Span)
    return field


@pytest.mark.parametrize(
    ("seconds", "number", "unit"),
    [
        (120, "2", "minutes"), (90, "90", "seconds"), (5400.0, "90", "minutes"), (7200, "2", "hours"),
        (259_200, "3", "days"), (1.5, "1.5", "seconds"), (0, "0", "seconds"), (-60, "-60", "seconds"),
        (None, "", "minutes"), ("soon", "soon", "seconds"), (True, "true", "seconds"),
        (10**18 * 60, "1" + "0" * 18, "minutes"),
    ],
)  # fmt: skip
def test_it_is_shown_in_the_largest_unit_and_comes_back_as_it_was(seconds: Any, number: str, unit: str) -> None:
    shown = span(seconds).pairs()
    assert shown == [("s", number), ("s~unit", unit)]
    back = span(seconds, dict(shown))
    assert (back.is_changed, back.data) == (False, seconds)


@pytest.mark.parametrize(
    ("number", "unit", "seconds"),
    [
        ("2", "hours", 7200), ("1.5", "minutes", 90), ("0.1", "seconds", 0.1), ("1,000", "days", 86_400_000),
        ("3 days", "seconds", 259_200), ("1 h 30 min", "minutes", 5400), ("soon", "hours", "soon"), ("7", "", 7),
        ("{{ inputs.wait }}", "days", "{{ inputs.wait }}"), ("1e400", "days", float("inf")),
    ],
)  # fmt: skip
def test_what_is_posted_becomes_seconds(number: str, unit: str, seconds: Any) -> None:
    found = span(60, {"s": number, "s~unit": unit}).data
    assert (found, type(found)) == (seconds, type(seconds))


def test_an_empty_one_stays_empty_whatever_its_unit() -> None:
    assert not span(ABSENT, {"s": "", "s~unit": "days"}, usual=None, is_nullable=True).is_changed
    assert span(60, {"s": "", "s~unit": "minutes"}, usual=None, is_nullable=True).data is None
    assert span(60, {"s": "", "s~unit": "minutes"}, usual=120).data is ABSENT
    assert span(ABSENT, {"s~value": "{{ inputs.wait }}", "s": ""}).data == "{{ inputs.wait }}"
