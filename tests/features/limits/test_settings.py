"""Settings, AI and budget, and Retention: who may, what is refused, what is kept and written down."""

import pytest
import sqlalchemy as sa

from app.core import clock
from app.core.db import db
from app.engine import money
from app.engine.events import RunsRemoved
from app.engine.models import Allowance, Spending
from app.features.accounts.models import AuditEntry
from app.features.limits import service
from tests.cast import Cast, add_editor
from tests.page import Page

AI = {"daily": "7.50", "ai_at_once": "4", "steps_at_once": ""}
KEEP = {"months": "6"}


def own(cast: Cast) -> Allowance | None:
    with cast.app.app_context():
        return db.session.get(Allowance, cast.alice.workspace_id)


def audited(cast: Cast) -> list[tuple[str, dict[str, object]]]:
    with cast.app.app_context():
        rows = db.session.scalars(
            sa.select(AuditEntry).where(AuditEntry.subject_kind == "workspace").order_by(AuditEntry.id)
        )
        return [(row.action, row.detail) for row in rows]


def test_limits_are_kept_shown_and_written_down(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    assert Page(client.get("/settings/ai").text).faults == []
    assert client.post("/settings/ai", data=AI).status_code == 303
    kept = own(cast)
    assert kept is not None
    assert (kept.ai_daily_microusd, kept.ai_at_once, kept.steps_at_once) == (7_500_000, 4, None)
    with cast.app.app_context():
        today = money.day_of(clock.now(), "America/New_York")
        db.session.add(
            Spending(workspace_id=cast.alice.workspace_id, day=today, cost_microusd=1_200_000, reserved_microusd=90_000)
        )
        db.session.commit()
    page = Page(client.get("/settings/ai").text)
    assert page.faults == []
    assert "$1.20 spent on AI of $7.50" in page.text
    assert "$0.09 more is put aside" in page.text
    assert audited(cast) == [
        ("limits.changed", {"ai_daily_microusd": 7_500_000, "steps_at_once": None, "ai_at_once": 4})
    ]
    assert client.post("/settings/ai", data={"daily": "$1,000"}).status_code == 303
    again = own(cast)
    assert again is not None
    assert (again.ai_daily_microusd, again.ai_at_once) == (1_000_000_000, None)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"daily": "a lot"}, "Write an amount from 0 to 1,000,000"),
        ({"daily": "-1"}, "Write an amount from 0 to 1,000,000"),
        ({"daily": "NaN"}, "Write an amount from 0 to 1,000,000"),
        ({"ai_at_once": "0"}, "Write 1 to 1,000 steps"),
        ({"steps_at_once": "many"}, "Not a valid integer value."),
    ],
)
def test_a_limit_that_is_none_changes_nothing(cast: Cast, given: dict[str, str], said: str) -> None:
    response = cast.browser(cast.alice).post("/settings/ai", data={**AI, **given})
    page = Page(response.text)
    assert (response.status_code, page.faults, said in page.text) == (422, [], True)
    assert own(cast) is None


def test_retention_is_kept_and_shown(cast: Cast) -> None:
    client = cast.browser(cast.alice)
    page = client.get("/settings/retention").text
    assert (Page(page).faults, 'value="13"' in page, "checked" in page) == ([], True, True)
    assert client.post("/settings/retention", data=KEEP).status_code == 303
    kept = own(cast)
    assert kept is not None
    assert (kept.keep_runs_months, kept.keep_documents) == (6, False)
    page = client.get("/settings/retention").text
    assert ('value="6"' in page, "checked" in page) == (True, False)
    assert audited(cast) == [("retention.changed", {"months": 6, "documents_stay": False})]


@pytest.mark.parametrize("months", ["", "0", "121", "ever"])
def test_a_time_that_is_none_changes_nothing(cast: Cast, months: str) -> None:
    response = cast.browser(cast.alice).post("/settings/retention", data={"months": months})
    assert (response.status_code, Page(response.text).faults) == (422, [])
    assert own(cast) is None


def test_only_who_manages_may_see_or_set_them(cast: Cast) -> None:
    for client in (cast.browser(cast.bob), cast.browser(add_editor(cast))):
        for path, given in (("/settings/ai", AI), ("/settings/retention", KEEP)):
            assert (client.get(path).status_code, client.post(path, data=given).status_code) == (403, 403)
    assert cast.browser(cast.charlie).post("/settings/ai", data=AI).status_code == 303
    assert own(cast) is None


def test_what_was_removed_is_written_down(cast: Cast) -> None:
    with cast.app.app_context():
        service.note_removed(db.session(), RunsRemoved(cast.alice.workspace_id, 12, clock.now(), False))
        db.session.commit()
    ((action, detail),) = audited(cast)
    assert (action, detail["runs"], detail["with_documents"]) == ("retention.removed", 12, False)
