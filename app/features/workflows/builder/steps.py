"""Pages of steps: seeing, adding, changing, moving, copying and deleting them; undo and redo."""

from flask import Response, flash, request, url_for

from app.core.db import db
from app.core.errors import Invalid
from app.definition import edit, graph, short_names
from app.definition.problems import listed
from app.definition.unchecked import EditImpossible
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.workflows import moves, queries, service
from app.features.workflows.builder.answers import (
    STAYS,
    Clashed,
    Data,
    base_of,
    base_revision,
    changed,
    clash_panel,
    gone,
    is_by_itself,
    is_whole_anew,
    name_of,
    panel,
    refused,
    said,
    save,
    saved,
    step_back,
    step_context,
    step_panel,
    workflow_of,
)
from app.features.workflows.builder.blueprint import blueprint
from app.features.workflows.builder.choices import form_of
from app.features.workflows.builder.step_change import StepChange, changed_step
from app.features.workflows.desk import Desk, ends_beside, lay, new_step
from app.features.workflows.forms.clash import Clash
from app.features.workflows.forms.details import NewForm
from app.features.workflows.forms.step import entry_words, find_step, stored_settings
from app.features.workflows.models import Workflow
from app.features.workflows.queries import Draft
from app.web import htmx


@blueprint.get("/workflows/new")
@requires(Permission.BUILD)
def new() -> Response:
    """Ask what the new workflow is called."""
    return htmx.page("workflows/new.html", form=NewForm())


@blueprint.post("/workflows")
@requires(Permission.BUILD)
def create() -> Response:
    """Make an empty workflow and open it in the builder."""
    form = NewForm()
    if form.validate_on_submit():
        try:
            made = service.create_draft(
                db.session(), workspace_id=who().workspace_id, name=form.text("name"), actor_id=who().user_id
            )
            db.session.commit()
            return htmx.redirect(url_for(".show", workflow_id=made.id))
        except Invalid as invalid:
            form.add_problems(invalid)
    return htmx.page("workflows/new.html", form=form, status=422)


@blueprint.get("/workflows/<workflow_id>/edit")
@requires(Permission.BUILD)
def show(workflow_id: str) -> Response:
    """Show a draft: its diagram, and for an empty one what to begin with."""
    desk = lay(db.session(), workflow_of(workflow_id))
    return panel(desk, "start" if desk.has_steps else "add", after=[], before=[])


@blueprint.get("/workflows/<workflow_id>/edit/steps/<step_id>")
@requires(Permission.BUILD)
def step(workflow_id: str, step_id: str) -> Response:
    """Show the form of one step."""
    return step_panel(lay(db.session(), workflow_of(workflow_id), chosen=step_id, added="added" in request.args))


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>")
@requires(Permission.BUILD)
def save_step(workflow_id: str, step_id: str) -> Response:
    """Save the form of one step: what was changed in it, onto what the step is now; ask a question that it asks for."""
    workflow = workflow_of(workflow_id)
    base = base_of(workflow, lambda data: find_step(data, step_id))
    clash: list[Clash] = []
    made: StepChange | None = None

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal made
        desk = Desk(workflow, draft, step_id)
        now = desk.step(step_id)
        if now is None:
            raise gone(workflow, "step", step_id, "steps")
        made = changed_step(desk, base or now, clash)
        return made.data, made.words

    try:
        save(workflow, change, by_itself=is_by_itself("s-id", step_id))
    except Clashed:
        db.session.rollback()
        return _clash_panel(workflow_id, step_id, clash)
    except (EditImpossible, Invalid) as fault:
        db.session.rollback()
        return refused(workflow_id, fault, chosen=step_id, name_field="s-id")
    assert made is not None  # it was saved
    if not htmx.is_htmx():
        if made.told:
            flash(made.told, "go")
        return htmx.redirect(url_for(".step", workflow_id=workflow_id, step_id=made.new_id))
    desk = lay(db.session(), workflow, chosen=made.new_id, added="added" in request.form)
    if request.form.get("act") or made.new_id != step_id or made.told or is_whole_anew(made.has_other_fields):
        return step_panel(desk, wants_panel=True, told=made.told, focus=made.focus)
    context = step_context(desk) | {"is_moved": made.is_moved}
    fields, unseen = context["form"].fields, list(made.unseen)
    redrawn = context["form"].redrawn(form_of(desk, base)) if base else []
    if request.form.get("s-join", fields["s-join"].text) != fields["s-join"].text:
        unseen.append("s-join")
    return saved(desk, context, redrawn=redrawn, unseen=unseen, has_other_parts=made.has_other_fields)


def _clash_panel(workflow_id: str, step_id: str, clash: list[Clash]) -> Response:
    workflow = workflow_of(workflow_id)
    changers = queries.changers(
        db.session(), workflow, base_revision(), lambda data: stored_settings(find_step(data, step_id) or {})
    )
    desk = lay(db.session(), workflow, chosen=step_id)
    return clash_panel(
        desk, clash, changers, thing="step", title=str((desk.step(step_id) or {}).get("name") or step_id),
        at=url_for(".save_step", workflow_id=workflow_id, step_id=step_id),
        back=url_for(".step", workflow_id=workflow_id, step_id=step_id),
    )  # fmt: skip


@blueprint.get("/workflows/<workflow_id>/edit/add")
@requires(Permission.BUILD)
def add(workflow_id: str) -> Response:
    """Show the kinds of step to add, at the place that ``?after=`` (entries) and ``?before=`` (steps) name."""
    desk = lay(db.session(), workflow_of(workflow_id))
    after = [each for each in request.args.getlist("after") if desk.drawn.has_step(each.partition(":")[0])]
    before = [each for each in request.args.getlist("before") if desk.drawn.has_step(each)]
    return panel(desk, "add", after=after, before=before)


@blueprint.post("/workflows/<workflow_id>/edit/steps")
@requires(Permission.BUILD)
def add_step(workflow_id: str) -> Response:
    """Add a step of the chosen kind and open its form."""
    workflow, made = workflow_of(workflow_id), ""
    after, before = _posted_place()

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal made
        desk = Desk(workflow, draft)
        if request.form.get("type") not in desk.kinds:
            raise EditImpossible("Choose what kind of step to add.")
        beside = ends_beside(desk, after) if request.form["type"] == "merge" and not before else []
        step = new_step(desk, request.form["type"], [*after, *beside])
        made = step["id"]
        new = edit.insert_step(desk.data, step, desk.types, sources=[*after, *beside], targets=before)
        return new, f"Added {said(step)}"

    return changed(workflow_id, workflow, change, lambda: made, added=True)


def _posted_place() -> tuple[list[str], list[str]]:
    """Return the entries and the next steps of the place that was chosen, or the failure of what it comes after."""
    after, where = request.form.getlist("after"), request.form.get("where")
    if where == "failed":
        after = list(dict.fromkeys(edit.entry(graph.split(each)[0], "failed") for each in after))
    return after, [] if where in ("beside", "failed") else request.form.getlist("before")


@blueprint.post("/workflows/<workflow_id>/edit/ways")
@requires(Permission.BUILD)
def add_way(workflow_id: str) -> Response:
    """Let the step that ``to`` names come after the entries ``after`` too."""
    workflow = workflow_of(workflow_id)
    (after, _), target = _posted_place(), request.form.get("to", "")

    def change(draft: Draft) -> tuple[Data, str]:
        desk = Desk(workflow, draft)
        if not after:
            raise EditImpossible("Choose what it comes after.")
        return edit.lead(desk.data, after, target), f"Led on to {name_of(desk, target)}"

    return changed(workflow_id, workflow, change, lambda: target)


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/copy")
@requires(Permission.BUILD)
def copy_step(workflow_id: str, step_id: str) -> Response:
    """Put a copy of a step after it and open its form."""
    workflow, made = workflow_of(workflow_id), step_id

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal made
        desk = _with_step(workflow, draft, step_id)
        made = short_names.free_id(desk.data, step_id)
        return edit.duplicate_step(desk.data, step_id, desk.types), f"Copied {name_of(desk, step_id)}"

    return changed(workflow_id, workflow, change, lambda: made)


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/removal")
@requires(Permission.BUILD)
def remove_step(workflow_id: str, step_id: str) -> Response:
    """Take a step out."""
    workflow, told = workflow_of(workflow_id), ""

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal told
        desk = _with_step(workflow, draft, step_id)
        words = f"Deleted {name_of(desk, step_id)}"
        told = ". ".join([words, *_reconnected(desk, step_id)])
        return edit.remove_step(draft.definition, step_id), words

    return changed(workflow_id, workflow, change, lambda: "", told=lambda: f"{told}. Undo brings it back.")


def _with_step(workflow: Workflow, draft: Draft, step_id: str) -> Desk:
    """Return what the draft shows. Raises EditImpossible with what became of the step where it is not there."""
    desk = Desk(workflow, draft)
    if desk.step(step_id) is None:
        raise gone(workflow, "step", step_id, "steps")
    return desk


def _reconnected(desk: Desk, step_id: str) -> list[str]:
    """Say of every step that followed a side outcome of the one that goes what it follows then."""
    step = desk.drawn.step(step_id) if desk.drawn.has_step(step_id) else None
    above = listed([entry_words(each, desk.drawn) for each in step.after]) if step and step.after else ""
    place = f"now comes after {above}" if above else "now starts at once"
    lost: dict[str, list[str]] = {}
    for name, outcome in edit.left_behind(desk.data, step_id, desk.types):
        lost.setdefault(name, []).append(outcome)
    return [f"“{name}” came after “{listed(outcomes, 'or')}” and {place}" for name, outcomes in lost.items()]


@blueprint.post("/workflows/<workflow_id>/edit/steps/<step_id>/move")
@requires(Permission.BUILD)
def move_step(workflow_id: str, step_id: str) -> Response:
    """Move a step ``up`` or ``down`` its line, or to the place that ``after`` and ``before`` name.

    ``to`` is such a place as one text, from the list in the step's foot. With ``stay`` what is answered is not its
    form: it was moved in the list.
    """
    workflow = workflow_of(workflow_id)
    after, before = request.form.getlist("after"), request.form.getlist("before")
    if "to" in request.form:
        after, before = moves.read(request.form["to"])
    way, words = request.form.get("way", ""), ""

    def change(draft: Draft) -> tuple[Data, str]:
        nonlocal words
        desk = _with_step(workflow, draft, step_id)
        words = f"Moved {name_of(desk, step_id)}"
        if way in ("up", "down"):
            return (edit.move_up if way == "up" else edit.move_down)(desk.data, step_id, desk.types), words
        if not after and not before:
            raise EditImpossible("Choose where the step should go.")
        return edit.move_step(desk.data, step_id, desk.types, sources=after, targets=before), words

    def told() -> str:
        return "" if way else f"{words}. Undo takes it back."

    return changed(
        workflow_id, workflow, change, lambda: "" if "stay" in request.form else step_id, told=told,
        focus=STAYS if way else "",
    )  # fmt: skip


@blueprint.post("/workflows/<workflow_id>/edit/undo")
@requires(Permission.BUILD)
def undo(workflow_id: str) -> Response:
    """Undo the last change of the draft."""
    return step_back(workflow_id, service.undo)


@blueprint.post("/workflows/<workflow_id>/edit/redo")
@requires(Permission.BUILD)
def redo(workflow_id: str) -> Response:
    """Do again what was undone last."""
    return step_back(workflow_id, service.redo)
