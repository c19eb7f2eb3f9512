"""Who owns another workspace asks every route for what is ours, by its real ids: there is no such thing."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.db import Base, db
from app.core.ids import new_id
from app.features.accounts.service import Actor
from app.features.approvals.models import Approval, Approver
from app.features.gallery import own
from app.features.runs import problems
from app.features.runs.models import RunView
from app.features.workflows.enums import Category
from tests import factories
from tests.cast import Cast

NOBODYS = {"static", "assets"}
OF_EVERYBODY = {"token", "digest", "filename"}  # they open a door by themselves, or are no secret
CHOICES = {"variant": "small", "key": "offer", "step_id": "ads", "form": "csv"}


def _ours(session: Session, cast: Cast) -> dict[str, str]:
    """Put one of everything that has an id into Alice's workspace; return the ids by the names that routes use."""
    alice = cast.alice
    actor = Actor(alice.user_id, alice.name, alice.email)
    workflow = factories.workflow(session, alice.workspace_id)
    run = factories.waiting_run(session, workflow, starter=actor)
    ids = {"workflow_id": workflow.id, "run_id": run.id}
    for name, table in (("step_run_id", "step_run"), ("wait_id", "wait")):
        one = sa.text(f"SELECT id FROM {table} WHERE run_id = :run_id ORDER BY created_at DESC LIMIT 1")
        ids[name] = str(session.scalar(one, {"run_id": run.id}))
    for name in ("document", "image"):
        one = sa.text(f"SELECT id FROM {name} WHERE run_id = :run_id LIMIT 1")
        ids[f"{name}_id"] = str(session.scalar(one, {"run_id": run.id}))
    now = clock.now()
    approval = Approval(
        id=new_id(), workspace_id=alice.workspace_id, run_id=run.id, wait_id=ids["wait_id"], title="Approve", text="",
        document_ids=[ids["document_id"]], policy="any", what_next="", requested_at=now, on_expiry="reject",
    )  # fmt: skip
    session.add(approval)
    session.flush()
    asked = Approver(
        id=new_id(), workspace_id=alice.workspace_id, approval_id=approval.id, email=alice.email, name=alice.name,
        token_hash="0" * 64,
    )  # fmt: skip
    view = RunView(workspace_id=alice.workspace_id, user_id=alice.user_id, name="Mine", filters={}, created_at=now)
    problem = problems.report(
        session, alice.workspace_id, message="It hangs.", about=problems.About(), actor=actor, run=run
    )
    session.add_all([asked, view])
    row_id = outbox.post(
        session, channel="email", recipient=alice.email, subject="Ready", dedupe_key="one", run_id=run.id,
        content={"subject": "Ready", "text": "Ready", "html": "", "images": []}, workspace_id=alice.workspace_id,
    )  # fmt: skip
    template = own.save(
        session, workflow, dict(factories.ADS), name="Our ads", summary="", category=next(iter(Category)), actor=actor
    )
    session.commit()
    return {
        **ids, "approval_id": approval.id, "view_id": view.id, "problem_id": problem.id, "row_id": row_id,
        "slug": template.slug,
    }  # fmt: skip


def _rows(session: Session, workspace_id: str) -> dict[str, Any]:
    """Return everything that a workspace has."""
    return {
        table.name: sorted(map(str, session.execute(sa.select(table).where(table.c.workspace_id == workspace_id))))
        for table in Base.metadata.sorted_tables
        if "workspace_id" in table.c
    }


def _addresses(cast: Cast, ids: dict[str, str]) -> Iterator[tuple[str, str, str]]:
    """Yield every route that names something of a workspace: its endpoint, a method, and its address with *ids*."""
    for rule in cast.app.url_map.iter_rules():
        if rule.endpoint in NOBODYS or not rule.arguments - set(CHOICES) or rule.arguments & OF_EVERYBODY:
            continue
        for method in sorted((rule.methods or set()) - {"HEAD", "OPTIONS"}):
            with cast.app.test_request_context():
                named = {name: ids[name] for name in rule.arguments}
                path = cast.app.url_map.bind("localhost").build(rule.endpoint, named, method=method)
            yield rule.endpoint, method, str(path)


def test_no_route_knows_what_is_anothers(cast: Cast) -> None:
    with cast.app.app_context():
        ids = CHOICES | _ours(db.session(), cast)
    alice, charlie = cast.browser(cast.alice), cast.browser(cast.charlie)
    with cast.app.app_context():
        before = _rows(db.session(), cast.alice.workspace_id)
    addresses = list(_addresses(cast, ids))
    said = {(name, method): charlie.open(path, method=method).status_code for name, method, path in addresses}
    assert said == dict.fromkeys(said, 404)
    with cast.app.app_context():
        assert _rows(db.session(), cast.alice.workspace_id) == before
    known = {name: alice.get(path).status_code for name, method, path in addresses if method == "GET"}
    assert {name for name, status in known.items() if status == 404} == {"lifecycle.compare"}  # of no two versions
