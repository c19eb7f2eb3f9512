"""A run is called by its workflow's name of now, where it was called by a former one."""

import re

import pytest

from app.core import clock
from app.core.db import db
from app.features.runs.words import named_now
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from tests.features.runs.conftest import Yard
from tests.page import Page


@pytest.mark.parametrize(
    ("label", "said"),
    [
        ("Ads", "Spring ads"),
        ("Ads: CR-V", "Spring ads: CR-V"),
        ("Ads (old): CR-V", "Spring ads: CR-V"),
        ("Adsense", "Adsense"),
        ("Dana’s letter", "Dana’s letter"),
        ("Spring ads: Ads", "Spring ads: Ads"),
    ],
)
def test_only_the_beginning_that_is_a_former_name_is_said_anew(label: str, said: str) -> None:
    assert named_now(label, "Spring ads", ["Ads", "Ads {old}"]) == said


def test_a_name_that_begins_with_a_former_one_stays() -> None:
    assert named_now("Ads: winter: CR-V", "Ads: winter", ["Ads"]) == "Ads: winter: CR-V"


def test_lists_pages_and_the_home_page_say_the_name_of_now(yard: Yard) -> None:
    run_id, = yard.make("failed", label="Facebook ads: CR-V")
    with yard.app.app_context():
        workflow = db.session.get_one(Workflow, yard.workflow_id)
        for name in ("Facebook ads", "Spring ads"):
            workflows.describe(
                db.session(), workflow, name=name, description="", category="", tags=(), icon="", actor_id=None
            )
        db.session.commit()
    alice = yard.cast.browser(yard.cast.alice)
    step_id, = re.findall(r"/steps/([0-9a-f-]{36})", alice.get(f"/runs/{run_id}/log").text)[:1]
    at_the_run = [f"/runs/{run_id}/{place}" for place in ("log", "timeline", f"steps/{step_id}")]
    for path in ("/runs", "/active", "/", f"/active/mark?since={clock.now().timestamp() - 3600}", *at_the_run):
        text = Page(alice.get(path).text).text
        assert "Spring ads: CR-V" in text, path
        assert "Facebook ads: CR-V" not in text, path
    text = Page(alice.get(f"/runs/{run_id}").text).text
    assert "It was called “ Facebook ads: CR-V ” then" in text.replace("“F", "“ F").replace("V”", "V ”")
    assert text.count("Facebook ads: CR-V") == 1
