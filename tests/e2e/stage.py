"""Pages in every state: one database with a workspace a state, served by the application in a thread.

``empty`` has people and templates only; ``bare`` has one of each thing with as little in it as can be; ``one`` has one
of each as usual; ``full`` has more than a page of each, and long words; ``error`` is where things went wrong.
"""

import copy
import re
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import sqlalchemy as sa
from flask import Flask
from sqlalchemy.orm import Session
from werkzeug.serving import make_server

from app import create_app
from app.core import clock, events, outbox
from app.core.db import db
from app.core.outbox import OutboxRow
from app.core.settings import Settings
from app.definition.parts import InputType
from app.engine.enums import RunStatus, StepStatus
from app.engine.events import WaitEnded, WaitStarted
from app.engine.models import Run, StepRun, WaitRow
from app.features.accounts import service as accounts
from app.features.accounts.enums import Role
from app.features.accounts.models import User
from app.features.accounts.service import Actor
from app.features.approvals import service as approvals
from app.features.approvals.enums import Decision
from app.features.approvals.models import Approval, Approver
from app.features.files import service as files
from app.features.files.models import Document, Image
from app.features.gallery import own, starting
from app.features.gallery import service as gallery
from app.features.lifecycle import exchange
from app.features.lifecycle import service as lifecycle
from app.features.lifecycle.enums import FileKind, OpenRuns
from app.features.limits import service as limits
from app.features.notifications import service as notifications
from app.features.runs import problems
from app.features.runs.problems import About
from app.features.workflows import service as workflows
from app.features.workflows.enums import Category
from app.features.workflows.models import Workflow
from tests import factories
from tests.servers import free_port

SLUG = "facebook-ads-campaign"
OFFER = "One-owner 2022 Honda CR-V EX-L, 21,400 miles, for $28,990"
LONG_NAME = "Maximiliane-Theodora Featherstonehaugh-Cholmondeley of Northfield Motors"
LONG_MAIL = "maximiliane.theodora.featherstonehaugh-cholmondeley@dealership-of-northfield.example"
LONG_WORD = "Donaudampfschifffahrtselektrizitätenhauptbetriebswerkbauunterbeamtengesellschaft"
LONG_LABEL = f"Facebook ads: {LONG_WORD} and its cars"
TOKEN = re.compile(r"/a/([\w-]{43})")
SECRET = "a secret for tests only, long enough to sign with"


@dataclass
class Scene:
    """One state's workspace: who is signed in, and what addresses are made of."""

    workspace_id: str
    user_id: str
    email: str
    name: str
    cookie: str = ""
    refs: dict[str, str] = field(default_factory=dict)

    @property
    def actor(self) -> Actor:
        """Who starts runs here."""
        return Actor(self.user_id, self.name, self.email)


@dataclass
class Stage:
    """The served application with its scenes."""

    url: str
    app: Flask
    scenes: dict[str, Scene]


@contextmanager
def serve(database_url: str, data_dir: str, prepare: Callable[[], dict[str, Scene]]) -> Iterator[Stage]:
    """Serve the application on a database that *prepare* fills, in a thread of this process."""
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    settings = Settings(
        environment="test", database_url=database_url, data_dir=data_dir, secret_key=SECRET, base_url=url
    )
    app = create_app(settings)
    with app.app_context():
        scenes = prepare()
        db.session.commit()
        db.session.remove()
    app.add_url_rule("/for-tests/broken", "broken", _broken)
    server = make_server("127.0.0.1", port, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield Stage(url, app, scenes)
    finally:
        server.shutdown()
        thread.join()
        with app.app_context():
            for engine in db.engines.values():
                engine.dispose()


def all_scenes() -> dict[str, Scene]:
    """Write every state but the one before set-up."""
    session = db.session()
    gallery.seed_templates(session)
    scenes = {name: fill(session) for name, fill in _FILLS.items()}
    for name, scene in scenes.items():
        if name != "empty":
            _changed(session, scene, count=99 if name == "error" else 5)
    return scenes


def before_setup() -> dict[str, Scene]:
    """Write a set-up link, and nobody."""
    link = accounts.setup_link(db.session(), "http://localhost")
    assert link is not None
    nobody = Scene("", "", "", "", refs={"setup": link.rpartition("/")[2]})
    return {"unowned": nobody}


def _broken() -> str:
    raise RuntimeError("meant by the test")


# --- the scenes ---


def _empty(session: Session) -> Scene:
    return _scene(session, "empty")


def _bare(session: Session) -> Scene:
    scene = _scene(session, "bare")
    flow = factories.workflow(session, scene.workspace_id)
    run = factories.queued_run(session, flow, starter=scene.actor, age_s=2)
    empty_handed = factories.queued_run(session, flow, starter=scene.actor, label="Decide about nothing")
    told = factories.story(session, empty_handed)
    step = told.step("check", StepStatus.WAITING)
    told.now(RunStatus.WAITING)
    token = _ask(session, scene, told.wait(step), [], text="")[0]
    document = told.documents(step, ["Short."])[0]
    blank = workflows.create_draft(session, workspace_id=scene.workspace_id, name="Blank", actor_id=scene.user_id)
    scene.refs |= {"run": run.id, "workflow": flow.id, "document": document.id, "token": token, "blank": blank.id}
    scene.refs["mail"] = _mail(session, scene, "kept", subject="Hello")
    scene.refs["approval"] = _approval(session, empty_handed.id)
    scene.refs |= {"asking": empty_handed.id, "step_run": step.id}
    scene.refs["wait"] = _wait(session, empty_handed.id)
    return scene


def _one(session: Session) -> Scene:
    scene = _scene(session, "one")
    _launched(session, scene)
    flow = factories.workflow(session, scene.workspace_id)
    run = factories.waiting_run(session, flow, starter=scene.actor)
    scene.refs["token"] = _ask_for(session, scene, run)[0]
    scene.refs |= {"run": run.id, "workflow": flow.id, **_first_things(session, run)}
    scene.refs["mail"] = _newest_mail(session, scene)
    scene.refs["approval"] = _approval(session, run.id)
    scene.refs["wait"] = _wait(session, run.id)
    gallery.keep_answers(
        session, workspace_id=scene.workspace_id, user_id=scene.user_id, slug=SLUG,
        answers={"offer": OFFER, "approver": scene.email}, over=None,
    )  # fmt: skip
    return scene


def _full(session: Session) -> Scene:
    scene = _scene(session, "full", name=LONG_NAME, email=LONG_MAIL)
    _launched(session, scene)
    flow = factories.workflow(session, scene.workspace_id, name=LONG_LABEL)
    for number in range(55):
        factories.queued_run(session, flow, starter=scene.actor, label=f"{LONG_LABEL}, run {number}")
    options: dict[str, Any] = {"starter": scene.actor, "label": LONG_LABEL}
    for _ in range(4):
        factories.finished_run(session, flow, **options)
    finished = factories.finished_run(session, flow, test=True, **options)
    running = factories.running_run(session, flow, **options)
    tokens = []
    for _ in range(4):
        waiting = factories.waiting_run(session, flow, **options)
        tokens = _ask_for(session, scene, waiting, others=[LONG_MAIL.replace("maxi", "mini"), "b@north.example"])
    for number in range(55):
        _mail(session, scene, "sent", subject=f"{LONG_LABEL}, mail {number}")
    scene.refs |= {"run": finished.id, "running": running.id, "waiting": waiting.id, "workflow": flow.id}
    scene.refs["draft"] = _draft(session, scene, thirty_steps())
    scene.refs["every"] = factories.workflow(session, scene.workspace_id, definition=every_question()).id
    scene.refs |= {"token": tokens[0], "mail": _newest_mail(session, scene), **_first_things(session, finished)}
    scene.refs["approval"] = _approval(session, waiting.id)
    scene.refs["wait"] = _wait(session, waiting.id)
    scene.refs["wait_day"] = _wait_for_time(session, flow, options, count=6)
    undoable = factories.waiting_run(session, flow, **options)
    scene.refs["undoable"] = _ask_for(session, scene, undoable)[0]
    scene.refs |= {"undoable_approval": _approval(session, undoable.id), "undoable_run": undoable.id}
    _decide(session, undoable.id, Decision.APPROVED, undo_s=600)
    long_answers = {"offer": f"{OFFER} {LONG_LABEL} " * 12, "landing_url": "https://northfield.example/" + "used" * 60}
    gallery.keep_answers(
        session, workspace_id=scene.workspace_id, user_id=scene.user_id, slug=SLUG,
        answers={**long_answers, "brief": f"{LONG_LABEL} " * 60, "approver": LONG_MAIL}, over=None,
    )  # fmt: skip
    saved: dict[str, Any] = {"name": LONG_LABEL, "summary": LONG_LABEL, "category": Category.ADS, "actor": scene.actor}
    for _ in range(6):
        scene.refs["ours"] = own.save(session, flow, factories.ADS, **saved).slug
    return scene


def _error(session: Session) -> Scene:
    scene = _scene(session, "error")
    flow = factories.workflow(session, scene.workspace_id)
    failed = factories.failed_run(session, flow, starter=scene.actor)
    _report(session, scene, failed)
    paused = _left(session, scene, flow, RunStatus.PAUSED)
    stopped = _left(session, scene, flow, RunStatus.STOPPED)
    puzzled = _needs_attention(session, scene, flow)
    rejected = factories.waiting_run(session, flow, starter=scene.actor)
    used = _ask_for(session, scene, rejected)[0]
    _decide(session, rejected.id, Decision.REJECTED, reason="The price is wrong: it is $27,490.")
    late = factories.waiting_run(session, flow, starter=scene.actor)
    over = _ask_for(session, scene, late)[0]
    wait = session.get_one(WaitRow, _wait(session, late.id))
    events.publish(session, WaitEnded(wait.id, scene.workspace_id, late.id, "approval", "rejected", "expired"))
    open_run = factories.waiting_run(session, flow, starter=scene.actor)
    scene.refs["open"] = _ask_for(session, scene, open_run)[0]
    scene.refs |= {"run": failed.id, "workflow": flow.id, "used": used, "over": over, "paused": paused.id}
    scene.refs["draft"] = _draft(session, scene, BROKEN)
    scene.refs |= {"stopped": stopped.id, "puzzled": puzzled.id, "open_approval": _approval(session, open_run.id)}
    scene.refs |= {"approval": _approval(session, rejected.id), "expired": _approval(session, late.id)}
    scene.refs |= {**_first_things(session, failed), "document": _first_things(session, rejected)["document"]}
    scene.refs["mail"] = _mail(
        session, scene, "parked", subject="Your ads are ready", error="550 5.1.1 There is no such mailbox."
    )
    limits.hold_sending(session, scene.workspace_id, by=scene.name, by_id=scene.user_id)
    gallery.keep_answers(
        session, workspace_id=scene.workspace_id, user_id=scene.user_id, slug=SLUG,
        answers={"offer": "", "ends": "soon", "copies": "many", "landing_url": "northfield", "approver": "Bob"},
        over=None,
    )  # fmt: skip
    return scene


_FILLS = {"empty": _empty, "bare": _bare, "one": _one, "full": _full, "error": _error}


# --- their parts ---


def _scene(session: Session, state: str, *, name: str = "Alice Ames", email: str = "") -> Scene:
    """Make a workspace with a signed-in owner, an editor and an approver."""
    home = accounts.create_workspace(session, name=f"Northfield Motors, {state}", timezone="America/New_York").id
    email = email or f"alice@{state}.example"
    people = ((name, email, Role.OWNER), ("Dana Dole", f"dana@{state}.example", Role.EDITOR),
              ("Bob Brown", f"bob@{state}.example", Role.APPROVER))  # fmt: skip
    users = [
        accounts.create_user(
            session, email=address, name=person, password="-", workspace_id=home, role=role, check_password=False,
            password_hash="-",
        )
        for person, address, role in people
    ]  # fmt: skip
    opened = accounts.sign_in(session, session.get_one(User, users[0].id))
    return Scene(home, users[0].id, email, name, opened.token)


def _changed(session: Session, scene: Scene, *, count: int) -> None:
    """Have a workflow whose draft is ahead of its version, one from a file, a deleted one, a test of one step."""
    flow = factories.workflow(session, scene.workspace_id, name="Autumn ads")
    data = copy.deepcopy(factories.ADS)
    data["steps"][0]["config"]["count"] = 3
    workflows.publish(session, flow, data, actor_id=scene.user_id, note=LONG_LABEL)
    data["steps"][0]["config"]["count"] = count
    if count > 50:
        test = factories.queued_run(session, flow, starter=scene.actor, test=True)
    else:
        test = lifecycle.start_sample(session, flow, "ads", actor=scene.actor)
    workflows.save_draft(session, flow, data, base_revision=flow.draft_number, actor_id=scene.user_id)
    sent = {**factories.ADS, "steps": [*factories.ADS["steps"], _OUTSIDE, _ELSEWHERE]}
    text = exchange.text_of({"name": "From a file", "definition": sent}, FileKind.YAML)
    brought = lifecycle.bring_in(
        session, text, workspace_id=scene.workspace_id, name="", actor=scene.actor, source="a.yaml"
    )
    gone = factories.workflow(session, scene.workspace_id, name="An old one")
    lifecycle.delete(session, gone, open_runs=OpenRuns.FINISH, actor=scene.actor)
    scene.refs |= {"changed": flow.id, "brought": brought.id, "test": test.id}


_OUTSIDE = {
    "id": "far", "type": "notify", "name": "Tell the agency",
    "config": {"to": ["ann@agency.example"], "subject": "Ads"},
}  # fmt: skip
_ELSEWHERE = {"id": "sub", "type": "run_workflow", "name": "Mail it", "config": {"workflow": "Spring newsletter"}}


def _launched(session: Session, scene: Scene) -> None:
    """Have a finished run of the template: the gallery's sample, and *Same as last time*."""
    run = starting.launch(
        session, workspace_id=scene.workspace_id, slug=SLUG, raw_inputs={"offer": OFFER, "approver": scene.email},
        actor=scene.actor,
    )  # fmt: skip
    told = factories.story(session, run)
    ads = told.step("ads", StepStatus.COMPLETED, outcome="done", took_s=14)
    documents = told.documents(ads, status="approved")
    pictures = told.pictures(told.step("pictures", StepStatus.COMPLETED, outcome="done", took_s=30), 5)
    for place, document in enumerate(documents):
        files.attach(session, document.id, [pictures[place % 5].id])
    for step_id in ("attach", "check", "tell"):
        told.step(step_id, StepStatus.COMPLETED, outcome="approved" if step_id == "check" else "done")
    told.step("tell_rejected", StepStatus.SKIPPED, reason="“The approver decides” left by “approved”")
    told.now(RunStatus.COMPLETED, done=6, cost_microusd=230_000)


def _draft(session: Session, scene: Scene, definition: dict[str, Any]) -> str:
    """Have a workflow of which nothing is published."""
    made = workflows.create_draft(
        session, workspace_id=scene.workspace_id, name=LONG_LABEL, actor_id=scene.user_id, definition=definition
    )
    return made.id


def thirty_steps() -> dict[str, Any]:
    """Return thirty steps with long names, side ways and conditions in groups."""
    types = ("generate_copy", "condition", "review", "parallel", "notify")
    ways = {"condition": ":yes", "review": ":approved"}
    deep = {"all": [{"value": "{{ inputs.price }}", "op": "gt", "than": 30000},
                    {"not": {"any": [{"value": "{{ inputs.price }}", "op": "in", "than": ["a", "b"]}]}}]}  # fmt: skip
    config: dict[str, dict[str, Any]] = {
        "condition": {"if": deep},
        "review": {"approvers": [LONG_MAIL] * 3, "text": "Look."},
        "notify": {"to": [LONG_MAIL], "subject": LONG_LABEL},
        "generate_copy": {"prompt": f"{LONG_LABEL} " * 40},
    }
    steps = []
    for number in range(30):
        kind = types[number % 5]
        after = [f"s{number - 1}{ways.get(types[(number - 1) % 5], '')}"] if number else []
        steps.append({"id": f"s{number}", "type": kind, "name": f"{number} {LONG_LABEL}", "after": after,
                      "when": deep, "config": config.get(kind, {})})  # fmt: skip
    price = {"key": "price", "label": f"What does {LONG_WORD} cost?", "type": "money", "group": LONG_LABEL}
    return {"inputs": [{**price, "help": LONG_LABEL}], "steps": steps}


def every_question() -> dict[str, Any]:
    """Return a workflow that asks for every type of answer, six questions a page."""
    more: dict[InputType, dict[str, Any]] = {
        InputType.CHOICE: {"choices": ["sedan", "SUV", LONG_LABEL]},
        InputType.MULTI_CHOICE: {"choices": ["Honda", "Toyota", LONG_LABEL], "default": ["Honda"]},
        InputType.CSV: {"columns": ["email", "first_name"]},
        InputType.INTEGER: {"min": 1, "max": 20, "default": 10},
        InputType.VIN: {"default": "5TDDZRBH1MS104417"},
    }
    asked = [
        {"key": kind.value, "label": f"The {kind.value}", "type": kind.value, "group": f"Group {place // 6}"}
        | more.get(kind, {})
        for place, kind in enumerate(InputType)
    ]
    step = {"id": "note", "type": "transform", "config": {"set": {"x": "1"}}}
    return {"inputs": asked, "steps": [step]}


BROKEN: dict[str, Any] = {
    "inputs": [{"key": "offer", "type": "choice"}],
    "steps": [
        {"id": "ads", "type": "generate_copy", "config": {"count": "many"}, "when": {"op": "eq"}, "timeout_s": 0},
        {"id": "check", "type": "review", "after": ["ads", "gone"], "config": {"documents": "gone"}},
        {"id": "glue", "type": "glue", "after": ["check:approved"], "config": {"odd": 1}},
    ],
}


def _report(session: Session, scene: Scene, run: Run) -> None:
    """Have two problems reported, one of them closed with an answer."""
    said = "The picture service would not draw two pictures."
    about = About("GL-7F3K9Q", "AI refused or unreadable", said, "pictures")
    ours: dict[str, Any] = {"workspace_id": scene.workspace_id, "actor": scene.actor}
    problems.report(session, message=f"The logo was not in my answer. {LONG_WORD}", about=about, run=run, **ours)
    problems.report(session, message="It was blank.", about=About("GL-7F3K9Q", said="Not here: /runs"), **ours)
    closed = problems.report(session, message="And it took long.", about=About(), run=run, **ours)
    problems.close(session, closed, answer="It does that on Mondays.", actor=scene.actor)


def _left(session: Session, scene: Scene, flow: Workflow, status: RunStatus) -> Run:
    """Leave a run paused or stopped with its texts written."""
    run = factories.running_run(session, flow, starter=scene.actor)
    run.status, run.doing = status.value, ""
    run.finished_at = None if status.is_open else clock.now()
    session.flush()
    return run


def _needs_attention(session: Session, scene: Scene, flow: Workflow) -> Run:
    """Leave a run that cannot tell whether something was sent."""
    told = factories.story(session, factories.finished_run(session, flow, starter=scene.actor))
    step = session.scalars(
        sa.select(StepRun).where(
            StepRun.run_id == told.run.id, StepRun.step_id == "tell"
        )
    ).one()
    step.status, step.outcome, step.finished_at = StepStatus.NEEDS_ATTENTION.value, None, None
    step.error = {"category": "unsure", "code": "unsure", "message": "We cannot tell if this was sent.", "fix": ""}
    return told.now(RunStatus.NEEDS_ATTENTION, done=5, cost_microusd=460_000)


def _ask_for(session: Session, scene: Scene, run: Run, others: list[str] | None = None) -> list[str]:
    """Ask for approval of a waiting run's documents; return the token of each link, the owner's first."""
    wait = session.scalars(sa.select(WaitRow).where(WaitRow.run_id == run.id)).one()
    documents = session.scalars(sa.select(Document.id).where(Document.run_id == run.id).order_by(Document.position))
    text = f"Please look at these Facebook ads for: {OFFER}"
    return _ask(session, scene, wait, list(documents), text=text, others=others)


def _ask(
    session: Session, scene: Scene, wait: WaitRow, documents: list[str], *, text: str, others: list[str] | None = None
) -> list[str]:
    until = clock.now() + timedelta(hours=72)
    run = session.get_one(Run, wait.run_id)
    wait.until, wait.on_until = until, "rejected"
    wait.detail = {
        "title": f"Approve: {run.label}", "documents": documents, "text": text,
        "approvers": [scene.email, *(others or [])],
        "policy": "all" if others else "any", "expires_at": clock.iso(until), "on_expiry": "reject", "undo_s": 0,
    }  # fmt: skip
    session.flush()
    events.publish(
        session,
        WaitStarted(
            wait.id, scene.workspace_id, run.id, wait.step_run_id, "check", "approval", wait.detail, until, "rejected"
        ),
    )  # fmt: skip
    rows = session.scalars(sa.select(OutboxRow).where(OutboxRow.run_id == run.id))
    tokens = {row.recipient: TOKEN.findall(row.content["text"])[0] for row in rows}
    return [tokens[email] for email in wait.detail["approvers"]]


def _decide(session: Session, run_id: str, decision: Decision, *, reason: str = "", undo_s: int = 0) -> None:
    """Let the owner answer."""
    approval = session.get_one(Approval, _approval(session, run_id))
    person = session.scalars(sa.select(Approver).where(Approver.approval_id == approval.id)).first()
    assert person is not None
    approvals.decide(
        session, approval, person, decision=decision, reason=reason, edits={}, by="Alice Ames", undo_s=undo_s
    )


def _approval(session: Session, run_id: str) -> str:
    return session.scalars(sa.select(Approval.id).where(Approval.run_id == run_id)).one()


def _wait(session: Session, run_id: str) -> str:
    return session.scalars(sa.select(WaitRow.id).where(WaitRow.run_id == run_id)).one()


def _wait_for_time(session: Session, flow: Workflow, options: dict[str, Any], *, count: int) -> str:
    """Let runs wait for times of one day; return it."""
    first = clock.now() + timedelta(days=2)
    for number in range(count):
        run = factories.queued_run(session, flow, **options)
        told = factories.story(session, run)
        told.wait(told.step("ads", StepStatus.WAITING), kind="time", until=first + timedelta(minutes=number))
        told.now(RunStatus.WAITING)
    return first.date().isoformat()


def _first_things(session: Session, run: Run) -> dict[str, str]:
    """Return the run's first document and picture."""
    document = session.scalars(sa.select(Document.id).where(Document.run_id == run.id).order_by(Document.position))
    image = session.scalars(sa.select(Image.id).where(Image.run_id == run.id).order_by(Image.position))
    step = session.scalars(sa.select(StepRun.id).where(StepRun.run_id == run.id).order_by(StepRun.created_at))
    return {"document": str(document.first()), "image": str(image.first()), "step_run": str(step.first())}


def _newest_mail(session: Session, scene: Scene) -> str:
    wanted = sa.select(OutboxRow.id).where(
        OutboxRow.workspace_id == scene.workspace_id, OutboxRow.recipient == scene.email, OutboxRow.run_id.is_not(None)
    )
    return str(session.scalars(wanted.order_by(OutboxRow.id.desc())).first())


def _mail(session: Session, scene: Scene, status: str, *, subject: str, error: str = "") -> str:
    """Write a mail that was *kept*, *sent* or *parked*."""
    content = notifications.notice(subject, "Ten ads are ready.\n\nBest wishes", ("See them", "/runs"))
    row_id = outbox.post(
        session, channel="email", recipient=scene.email, subject=subject, content=dict(content),
        dedupe_key=f"{scene.workspace_id}-{subject}", workspace_id=scene.workspace_id,
    )  # fmt: skip
    row = session.get_one(OutboxRow, row_id)
    row.status, row.error, row.due_at, row.attempts = status, error, None, 1
    row.sent_at = clock.now() if status == "sent" else None
    session.flush()
    return row_id
