"""The form that continues a run with other answers: its questions on one page, and beside them what is done again."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, url_for

from app.core.cached import cached_property
from app.core.db import db
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import new_id
from app.definition import launch_form
from app.definition.inputs import clean_inputs
from app.definition.problems import InputsInvalid
from app.definition.schema import Definition, Input
from app.engine.models import Run
from app.features.accounts import queries as accounts
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.accounts.service import Actor
from app.features.gallery import forms, launching, rules, starting
from app.features.gallery.blueprint import blueprint
from app.features.runs import queries as run_queries
from app.features.runs import reuse
from app.features.runs import service as runs
from app.features.workflows import queries as workflows
from app.web import htmx
from app.web.forms import Form


@dataclass(frozen=True)
class Continuing:
    """One run to continue, and the step to continue from."""

    run: Run
    definition: Definition
    step_id: str
    choices: forms.Choices
    zone: ZoneInfo

    @cached_property
    def questions(self) -> list[Input]:
        """What the run was asked."""
        return launch_form.asked(self.definition)

    @cached_property
    def _form_class(self) -> type[Form]:
        return forms.build(self.questions, self.choices, with_files=False)

    def form(self, answers: Mapping[str, Any]) -> Form:
        """Return the form with these answers."""
        filled = forms.filled(self.questions, answers, self.zone)
        return self._form_class(None, data=filled)

    def sent(self) -> dict[str, Any]:
        """Return the answers that the browser sent, over those of the run."""
        form = self._form_class()
        return {**self.run.inputs, **forms.answers(form, self.questions, self.zone)}

    def again(self, answers: Mapping[str, Any]) -> tuple[list[str], list[str], int]:
        """Return the names of the steps that are kept and of those done again, and what these cost last time."""
        try:
            after = clean_inputs(self.definition, answers)
        except InputsInvalid:
            after = dict(answers)
        session = db.session()
        changed = reuse.changed(self.run.inputs, after)
        planned = reuse.plan(self.definition, reuse.finished(session, self.run), self.step_id, changed)
        costs = run_queries.step_costs(session, self.run.id)
        kept, again = ([self.definition.step(step).name for step in steps] for steps in (planned.kept, planned.again))
        return kept, again, sum(costs.get(step, 0) for step in planned.again)


@blueprint.get("/runs/<run_id>/continue")
@requires(Permission.LAUNCH)
def continue_run(run_id: str) -> Response:
    """Ask the run's questions again, with its answers filled in."""
    asked = _continuing(run_id)
    return _show(asked, asked.form(asked.run.inputs), asked.run.inputs)


@blueprint.post("/runs/<run_id>/continue")
@requires(Permission.LAUNCH)
def start_continued(run_id: str) -> Response:
    """Start the run that takes over what is kept; pressed twice it is one run."""
    asked, session = _continuing(run_id), db.session()
    me, answers, once = who(), asked.sent(), request.form.get("once", "")[:36]
    try:
        run = runs.continue_from(
            session,
            asked.run,
            asked.step_id,
            answers,
            actor=Actor(me.user_id, me.name, me.email),
            labels=starting.labels(session, asked.run),
            dedupe_key=f"continue-{asked.run.id}-{once}" if once else None,
        )
    except Invalid as invalid:
        session.rollback()
        form = asked.form(answers)
        forms.show_problems(form, invalid.problems)
        return _show(asked, form, answers, problems=invalid.problems)
    following = run.id
    session.commit()
    runs.hint(following)
    return htmx.redirect(url_for("runs.show", run_id=following))


@blueprint.post("/runs/<run_id>/continue/preview")
@requires(Permission.LAUNCH)
def foresee(run_id: str) -> Response:
    """Say what these answers would do again and what is kept."""
    asked = _continuing(run_id)
    if not htmx.is_fragment():
        answers = asked.sent()
        return _show(asked, asked.form(answers), answers)
    kept, again, cost = asked.again(asked.sent())
    return htmx.page("gallery/_again.html", kept=kept, again=again, cost_microusd=cost)


def _continuing(run_id: str) -> Continuing:
    me, session = who(), db.session()
    run = run_queries.run(session, me.workspace_id, run_id)
    if not runs.can_continue(run):
        raise Conflict(f"Run {run.number} is still under way.", fix="Stop it first, then continue it.")
    definition = workflows.load_definition(session, run.version_id)
    step_id = request.values.get("step") or run_queries.first_in_trouble(session, run) or definition.steps[0].id
    if not definition.has_step(step_id):
        raise NotFound("This step does not exist.")
    choices = launching.choices(me.workspace_id, definition, run.inputs)
    return Continuing(run, definition, step_id, choices, ZoneInfo(me.timezone))


def _show(
    asked: Continuing, form: Form, answers: Mapping[str, Any], *, problems: tuple[FieldError, ...] = ()
) -> Response:
    kept, again, cost = asked.again(answers)
    return htmx.page(
        "gallery/continue.html",
        status=422 if problems else 200,
        asked=asked,
        run=asked.run,
        version=run_queries.version_facts(db.session(), asked.run),
        rows=rules.rows(asked.questions),
        form=form,
        once=new_id(),
        people=accounts.members(db.session(), who().workspace_id),
        kept=kept,
        again=again,
        cost_microusd=cost,
    )
