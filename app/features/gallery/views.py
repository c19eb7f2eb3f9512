"""Pages of the gallery: the shelf, a template with its sample, a comparison. The launch form is in ``launching``."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from flask import Response, request, url_for

from app.core.db import db
from app.definition import graph, lanes
from app.definition.schema import Definition, Input
from app.engine import catalog
from app.features.accounts.enums import Permission
from app.features.accounts.guards import requires, who
from app.features.files import queries as files
from app.features.gallery import (
    continuing,  # noqa: F401 (its rules are added to the blueprint)
    figures,
    launching,  # noqa: F401 (its rules are added to the blueprint)
    making,  # noqa: F401 (its rules as well)
    outward,
    queries,
    recipe,
    samples,
    saving,  # noqa: F401
    shelf,
    wording,
)
from app.features.gallery.blueprint import blueprint
from app.features.gallery.enums import Sort, View, Whose
from app.features.gallery.figures import CardFacts
from app.features.gallery.models import Template
from app.features.workflows.enums import Category
from app.web import htmx
from app.web.address import choice, not_filters

MOST_COMPARED = 3
NAMES = {  # of the filters in the address, as the page's fields are called
    "q": "Search", "category": "Category", "from": "Made by", "sort": "Sort by", "view": "Show as", "page": "Page",
}  # fmt: skip


@blueprint.get("/gallery")
@requires(Permission.SEE)
def index() -> Response:
    """Show the templates that fit the search and the filters of the address, as cards or as a list."""
    workspace_id, session = who().workspace_id, db.session()
    problems = dict[str, str]()
    wanted, view = _wanted(problems), _chosen(View, "view", problems) or View.GRID
    listed, known = queries.listed(session, workspace_id), figures.counted(session, workspace_id)
    is_by_time = wanted.sort is Sort.FASTEST and not wanted.text
    if is_by_time:
        known = figures.measured(session, workspace_id, known)
    found = shelf.found(listed, wanted)
    arranged = shelf.arrange(found, known, wanted)
    slugs = [template.slug for template in shelf.page(arranged, wanted.page)]
    templates = queries.chosen(session, workspace_id, slugs)
    if not is_by_time:
        known = figures.measured(session, workspace_id, known, slugs)
    return htmx.page(
        "gallery/index.html",
        fragment="gallery/cards.oob.html",
        templates=templates,
        facts={one.slug: figures.facts_of(one, known.get(one.slug, figures.NONE)) for one in templates},
        covers=samples.covers(session, workspace_id, slugs),
        counts=shelf.counts(listed, found),
        has_own=any(template.whose is Whose.OWN for template in listed),
        total=len(arranged),
        elsewhere=0 if arranged else shelf.elsewhere(listed, wanted),
        pages=shelf.pages(arranged),
        wanted=wanted,
        view=view,
        address=_address(wanted, view),
        sorts=list(Sort),
        problems=problems,
        filter_names=NAMES,
        not_filters=not_filters(request.args, NAMES),
        may_launch=who().may(Permission.LAUNCH),
        may_build=who().may(Permission.BUILD),
    )


@blueprint.get("/gallery/compare")
@requires(Permission.SEE)
def compare() -> Response:
    """Show two or three templates side by side: what each gives, asks, takes and costs."""
    me, session = who(), db.session()
    slugs = list(dict.fromkeys(request.args.getlist("t")))[:MOST_COMPARED]
    chosen = queries.chosen(session, me.workspace_id, slugs)
    facts = figures.facts(session, me.workspace_id, slugs)
    return htmx.page(
        "gallery/compare.html",
        columns=[_column(template, facts[template.slug]) for template in chosen],
        covers=samples.covers(session, me.workspace_id, slugs),
        others=[one for one in queries.listed(session, me.workspace_id) if one.slug not in slugs],
        most=MOST_COMPARED,
        may_launch=me.may(Permission.LAUNCH),
    )


@blueprint.get("/gallery/<slug>")
@requires(Permission.SEE)
def show(slug: str) -> Response:
    """Show one template: a finished sample first, then how it is made and what it takes."""
    me, session = who(), db.session()
    template = queries.template(session, me.workspace_id, slug)
    definition = Definition.model_validate(template.definition)
    sample = samples.sample(session, me.workspace_id, slug)
    shown = _place(request.args.get("document"), len(sample.documents) if sample else 0)
    titles = files.titles(session, me.workspace_id, wording.handed_ids(definition, template.sample_inputs))
    return htmx.page(
        "gallery/show.html",
        fragment="gallery/_sample.html",
        template=template,
        category=_one_of(Category, template.category),
        definition=definition,
        places=lanes.layout(definition),
        types=catalog.step_types(),
        facts=figures.facts(session, me.workspace_id, [slug])[slug],
        sample=sample,
        shown=shown,
        versions=queries.versions(session, template) if template.whose is Whose.OWN else (),
        answers=wording.rows(definition, template.sample_inputs, ZoneInfo(me.timezone), titles),
        made=recipe.made(definition, template.sample_inputs),
        at_hand=recipe.at_hand(definition),
        reviews=outward.asked(definition, {}),
        mails=outward.mails(definition, {}),
        nothing_else=outward.sends_nothing_else(definition),
        may_launch=me.may(Permission.LAUNCH),
        may_build=me.may(Permission.BUILD),
    )


@dataclass(frozen=True, slots=True)
class Column:
    """One template of a comparison."""

    template: Template
    facts: CardFacts
    steps: list[str]
    at_hand: list[Input]
    reviews: list[outward.Asked]
    mails: list[outward.Mail]
    nothing_else: bool


def _column(template: Template, facts: CardFacts) -> Column:
    definition = Definition.model_validate(template.definition)
    return Column(
        template,
        facts,
        [definition.step(step_id).name for step_id in graph.topological_order(definition)],
        recipe.at_hand(definition),
        outward.asked(definition, {}),
        outward.mails(definition, {}),
        outward.sends_nothing_else(definition),
    )


def _wanted(problems: dict[str, str]) -> shelf.Wanted:
    """Return what the address asks for; what it says wrongly counts as not said, and is in *problems*."""
    page = request.args.get("page", "")
    return shelf.Wanted(
        text=request.args.get("q", "").strip()[:200],
        category=_chosen(Category, "category", problems),
        whose=_chosen(Whose, "from", problems),
        sort=_chosen(Sort, "sort", problems) or Sort.USED,
        page=int(page) if page.isdecimal() and len(page) < 4 else 1,
    )


def _address(wanted: shelf.Wanted, view: View) -> Callable[..., str]:
    """Return a function that makes the gallery's address with some of its filters changed, from page 1."""
    now: dict[str, Any] = {
        "q": wanted.text,
        "category": wanted.category,
        "from": wanted.whose,
        "sort": wanted.sort if wanted.sort is not Sort.USED else "",
        "view": view if view is not View.GRID else "",
    }

    def address(**changed: Any) -> str:
        asked: dict[str, Any] = {key: str(value) for key, value in {**now, **changed}.items() if value}
        return url_for("gallery.index", **asked)

    return address


def _place(written: str | None, count: int) -> int:
    """Return which document of *count* an address names, from 1; the first for anything else."""
    number = int(written) if written and written.isdecimal() and len(written) < 4 else 1
    return number if 1 <= number <= count else 1


def _chosen(kind: Any, name: str, problems: dict[str, str]) -> Any:
    said = choice(request.args, name, set(kind).__contains__, problems)
    return kind(said) if said else None


def _one_of(kind: Any, written: str | None) -> Any:
    try:
        return kind(written) if written else None
    except ValueError:
        return None
