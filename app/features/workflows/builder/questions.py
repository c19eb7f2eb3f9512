"""Pages of the questions asked at the start."""

from copy import deepcopy

from flask import Response, request, url_for

from app.core.db import db
from app.core.errors import Invalid
from app.definition import short_names
from app.definition.unchecked import EditImpossible
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires
from app.features.workflows import queries
from app.features.workflows.builder.answers import (
    STAYS,
    Clashed,
    Data,
    answer,
    base_of,
    base_revision,
    clash_panel,
    gone,
    is_by_itself,
    is_whole_anew,
    panel,
    posted_onto,
    question_context,
    question_panel,
    refused,
    save,
    saved,
    workflow_of,
)
from app.features.workflows.builder.blueprint import blueprint
from app.features.workflows.desk import lay
from app.features.workflows.forms.clash import Clash, changed_by_others
from app.features.workflows.forms.question import (
    QuestionForm,
    find_question,
    stored_parts,
    with_questions_changed,
)
from app.features.workflows.queries import Draft
from app.web import htmx


@blueprint.get("/workflows/<workflow_id>/edit/questions")
@requires(Permission.BUILD)
def questions(workflow_id: str) -> Response:
    """Show the questions asked at the start, in order and by group, as the launch form will ask them."""
    return panel(lay(db.session(), workflow_of(workflow_id)), "questions")


@blueprint.post("/workflows/<workflow_id>/edit/questions")
@requires(Permission.BUILD)
def change_questions(workflow_id: str) -> Response:
    """Add a question, or move or delete the one that the pressed button names."""
    workflow = workflow_of(workflow_id)
    key, _, action = request.form.get("act", "").rpartition(":")
    opened = ""

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal opened
        if action != "add" and find_question(draft.definition, key)[1] is None:
            raise gone(workflow, "question", key, "inputs")
        data, opened = with_questions_changed(draft.definition, key, action, request.form.get("label", ""))
        return data, "Changed the questions"

    try:
        save(workflow, change)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return refused(workflow_id, fault, part="questions")
    if opened:
        return answer(workflow_id, "question", key=opened)
    return answer(workflow_id, "questions")


@blueprint.get("/workflows/<workflow_id>/edit/questions/<key>")
@requires(Permission.BUILD)
def question(workflow_id: str, key: str) -> Response:
    """Show the form of one question."""
    return question_panel(lay(db.session(), workflow_of(workflow_id)), key)


@blueprint.post("/workflows/<workflow_id>/edit/questions/<key>")
@requires(Permission.BUILD)
def save_question(workflow_id: str, key: str) -> Response:
    """Save what was changed in the form of one question; a new key is used wherever the answer was."""
    workflow, now = workflow_of(workflow_id), key
    base = base_of(workflow, lambda data: find_question(data, key)[1])
    clash: list[Clash] = []
    on_page, unseen = QuestionForm({}), list[str]()

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal now, on_page, unseen
        place, found = find_question(draft.definition, key)
        if found is None:
            raise gone(workflow, "question", key, "inputs")
        listed = draft.definition["inputs"]
        on_page, opened = QuestionForm(base or found, listed=listed), QuestionForm(base or found, request.form)
        current = QuestionForm(found)
        unseen = changed_by_others(opened.fields, current.fields)
        form = QuestionForm(found, posted_onto(opened.fields, current.fields, clash))
        data = deepcopy(draft.definition)
        data["inputs"][place] = {**form.question(), "key": key}
        if form.new_key != key:
            data = short_names.rename_input(data, key, form.new_key)
            now = form.new_key
        words = str(found.get("label") or key)[:60]
        return data, f"Changed the question “{words}”: {', '.join(form.changed[:3]).lower()}"

    try:
        save(workflow, change, by_itself=is_by_itself("q-key", key))
    except Clashed:
        db.session.rollback()
        return _clash_panel(workflow_id, key, clash)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return refused(workflow_id, fault, part="question", key=key, name_field="q-key")
    if not htmx.is_htmx():
        return htmx.redirect(url_for(".question", workflow_id=workflow_id, key=now))
    desk = lay(db.session(), workflow)
    context = question_context(desk, now)
    redrawn = context["form"].redrawn(on_page)
    if request.form.get("act") or now != key or is_whole_anew(redrawn is None):
        return question_panel(desk, now, wants_panel=True, focus=STAYS)
    return saved(desk, context, redrawn=redrawn or (), unseen=unseen, has_other_parts=redrawn is None)


def _clash_panel(workflow_id: str, key: str, clash: list[Clash]) -> Response:
    workflow = workflow_of(workflow_id)
    changers = queries.changers(
        db.session(), workflow, base_revision(), lambda data: stored_parts(find_question(data, key)[1] or {})
    )
    desk = lay(db.session(), workflow)
    label = (find_question(desk.data, key)[1] or {}).get("label")
    return clash_panel(
        desk, clash, changers, thing="question", title=str(label or key),
        at=url_for(".save_question", workflow_id=workflow_id, key=key),
        back=url_for(".question", workflow_id=workflow_id, key=key),
    )  # fmt: skip
