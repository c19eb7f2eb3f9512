"""From a run's wait to the request that asks for the decision."""

from app.core import clock
from app.core.db import db
from app.engine.models import WaitRow
from app.features.approvals.models import Approval
from tests.features.runs.conftest import Yard


def test_link_of_a_wait_leads_to_its_request_in_the_same_workspace_only(yard: Yard) -> None:
    run_id = yard.make("waiting")[0]
    with yard.app.app_context():
        wait = db.session.query(WaitRow).filter_by(run_id=run_id).one()
        approval = Approval(
            workspace_id=yard.cast.alice.workspace_id, run_id=run_id, wait_id=wait.id, title="Approve 10 ads",
            requested_at=clock.now(),
        )  # fmt: skip
        db.session.add(approval)
        db.session.commit()
        link, target = f"/approvals/of/{wait.id}", f"/approvals/{approval.id}"

    answer = yard.cast.browser(yard.cast.alice).get(link)

    assert (answer.status_code, answer.headers["Location"]) == (303, target)
    assert yard.cast.browser(yard.cast.charlie).get(link).status_code == 404
    assert yard.cast.browser(yard.cast.alice).get(f"/approvals/of/{run_id}").status_code == 404
