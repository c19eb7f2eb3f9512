"""Reads of runs, always within one workspace."""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy.engine import Connection
from sqlalchemy.orm import Session

from app.core import clock
from app.core.errors import NotFound
from app.core.ids import is_id
from app.core.lookup import among
from app.core.outbox import OutboxRow
from app.engine.enums import RUN_OPEN, Effect, RunStatus, StepStatus, WaitStatus
from app.engine.models import Call, Run, RunLog, StepRun, WaitRow
from app.features.accounts.models import Membership, User
from app.features.files import queries as files
from app.features.files.models import Document, Image
from app.features.runs import search
from app.features.runs.arriving import ArrivedDocument, ArrivedPicture
from app.features.runs.words import named_now
from app.features.workflows import queries as workflows
from app.features.workflows.models import Version, Workflow

PAGE = 25
_seen = sa.select(Run.changed_at, Run.status).where(
    Run.id == sa.bindparam("b_run_id"), Run.workspace_id == sa.bindparam("b_workspace_id")
)


@dataclass(frozen=True, slots=True)
class VersionFacts:
    """Which workflow and version a run is of, which is the newest, and whether the workflow is there still."""

    workflow_id: str
    name: str
    template_slug: str | None
    number: int
    newest: int
    is_there: bool
    former_names: Sequence[str] = ()

    def run_name(self, run: Run) -> str:
        """Return a run's name with the workflow's name of now."""
        return named_now(run.label, self.name, self.former_names)


@dataclass(frozen=True, slots=True)
class Seen:
    """The least a poll must know of a run: whether anything changed, and whether it goes on."""

    changed_at: datetime
    status: str


def run(session: Session, workspace_id: str, run_id: str) -> Run:
    """Return one run. Raises NotFound for a missing or a stranger's one."""
    wanted = sa.select(Run).where(Run.id == run_id, Run.workspace_id == workspace_id)
    found = session.execute(wanted).scalar_one_or_none() if is_id(run_id) else None
    if found is None:
        raise NotFound("This run does not exist.", fix="Look for it in the list of runs.")
    return found


def seen(bind: Session | Connection, workspace_id: str, run_id: str) -> Seen:
    """Return when the run changed last and its status: one read by primary key. Raises NotFound."""
    values = {"b_run_id": run_id, "b_workspace_id": workspace_id}
    row = bind.execute(_seen, values).one_or_none() if is_id(run_id) else None
    if row is None:
        raise NotFound("This run does not exist.", fix="Look for it in the list of runs.")
    return Seen(row.changed_at, row.status)


def runs(
    session: Session,
    workspace_id: str,
    *,
    status: str | Iterable[str] | None = None,
    workflow_id: str | None = None,
    text: str | None = None,
    limit: int = PAGE,
    before: str | None = None,
    those: Sequence[sa.ColumnElement[bool]] = (),
) -> Sequence[Run]:
    """Return runs, the newest first, at most *limit*; *before* is the id of the last one already seen.

    *text* is what a person typed: :func:`search.matching` says what it finds.
    """
    statuses = [status] if isinstance(status, str) else sorted(status or ())
    wanted = sa.select(Run).where(Run.workspace_id == workspace_id, *those)
    if status is not None:
        wanted = wanted.where(Run.status.in_(statuses))
    if workflow_id is not None:
        wanted = wanted.where(Run.workflow_id == workflow_id)
    if text:
        wanted = wanted.where(search.narrowed(session, search.matching(session, workspace_id, text)).condition)
    if before is not None:
        anchor = run(session, workspace_id, before)
        last = sa.tuple_(sa.literal(anchor.created_at, Run.created_at.type), sa.literal(anchor.id))
        wanted = wanted.where(sa.tuple_(Run.created_at, Run.id) < last)
    newest = wanted.order_by(Run.created_at.desc(), Run.id.desc()).limit(limit)
    return session.execute(of_each(wanted, statuses, limit=limit) if len(statuses) > 1 else newest).scalars().all()


def of_each(wanted: sa.Select[Any], statuses: Iterable[str], *, limit: int, is_up: bool = False) -> sa.Select[Any]:
    """Select the first *limit* of the wanted runs, taken from the first of each status by the index of that order.

    Asked for several statuses at once, a database goes through all runs in their order until enough have one of them.
    """
    order = in_order(Run.created_at, is_up=is_up)
    firsts = [
        wanted.with_only_columns(Run.id).where(Run.status == status).order_by(*order).limit(limit).subquery()
        for status in statuses
    ]
    ids = sa.union_all(*(sa.select(first) for first in firsts))
    by_itself = in_order(without_index(Run.created_at), is_up=is_up)
    return sa.select(Run).where(Run.id.in_(ids)).order_by(*by_itself).limit(limit)


def in_order(column: Any, run_id: Any = Run.id, *, is_up: bool) -> list[sa.ColumnElement[Any]]:
    """Return the order by a column, ties settled by the id."""
    return [each.asc() if is_up else each.desc() for each in (column, run_id)]


def without_index(column: Any) -> sa.ColumnElement[Any]:
    """Return a column as no index has it: few runs are read by what they are found by and sorted, all others left."""
    return sa.func.coalesce(column, column)


@dataclass(frozen=True, slots=True)
class Below:
    """A run that a step of another one has started."""

    step_run_id: str
    id: str
    number: int
    status: RunStatus


def runs_of_steps(session: Session, step_run_ids: Sequence[str]) -> list[Below]:
    """Return which runs were started by these step runs. No step runs, no read."""
    if not step_run_ids:
        return []
    wanted = sa.select(Run.parent_step_run_id, Run.id, Run.number, Run.status)
    rows = session.execute(wanted.where(Run.parent_step_run_id.in_(step_run_ids)))
    return [Below(str(of), run_id, number, RunStatus(status)) for of, run_id, number, status in rows]


def awaited(session: Session, run_id: str) -> Sequence[Run]:
    """Return the runs that steps of a run wait for and that have not ended."""
    awaits = sa.select(WaitRow.step_run_id).where(
        WaitRow.run_id == run_id, WaitRow.kind == "sub_run", WaitRow.status == WaitStatus.WAITING.value
    )
    wanted = sa.select(Run).where(Run.parent_step_run_id.in_(awaits), Run.status.in_(sorted(RUN_OPEN)))
    return session.scalars(wanted.order_by(Run.number)).all()


def continued(session: Session, run: Run) -> tuple[tuple[str, int] | None, tuple[str, int] | None]:
    """Return the run that this one follows, taking over or starting over, and the last one that follows it: id, number.

    Reads nothing for a run that neither continues one nor has failed or been stopped.
    """
    if run.continues_run_id is None and run.status not in (RunStatus.FAILED, RunStatus.STOPPED):
        return None, None
    either = sa.or_(Run.id == run.continues_run_id, Run.continues_run_id == run.id)
    wanted = sa.select(Run.id, Run.number).where(Run.workspace_id == run.workspace_id, either).order_by(Run.number)
    found = {run_id: (str(run_id), int(number)) for run_id, number in session.execute(wanted)}
    before = found.pop(run.continues_run_id or "", None)
    return before, next(reversed(found.values()), None)


def workflow_names(
    session: Session, workspace_id: str, listed: Iterable[Run]
) -> dict[str, tuple[str, Sequence[str]]]:
    """Return the name of each workflow that these runs are of, and those that it had before, by workflow id."""
    ids = {run.workflow_id for run in listed}
    wanted = sa.select(Workflow.id, Workflow.name, Workflow.former_names)
    rows = session.execute(wanted.where(among(Workflow, workspace_id, ids)))
    return {row.id: (row.name, row.former_names) for row in rows}


def step_runs(session: Session, run_id: str) -> Sequence[StepRun]:
    """Return the step runs that have begun, in the order they were written; the items of a step follow it."""
    wanted = sa.select(StepRun).where(StepRun.run_id == run_id).order_by(StepRun.created_at, StepRun.item, StepRun.id)
    return session.execute(wanted).scalars().all()


def calls(session: Session, run_id: str) -> Sequence[Call]:
    """Return the outward requests of a run, in the order they were made."""
    wanted = sa.select(Call).where(Call.run_id == run_id).order_by(Call.started_at, Call.id)
    return session.execute(wanted).scalars().all()


def step_run(session: Session, run: Run, step_run_id: str) -> StepRun:
    """Return one step run of a run. Raises NotFound."""
    wanted = sa.select(StepRun).where(StepRun.id == step_run_id, StepRun.run_id == run.id)
    found = session.execute(wanted).scalar_one_or_none() if is_id(step_run_id) else None
    if found is None:
        raise NotFound("This step does not exist, or has not begun.", fix="Look at the run’s log.")
    return found


def calls_of(session: Session, step_run_id: str) -> Sequence[Call]:
    """Return the outward requests of one step run, in the order they were made."""
    wanted = sa.select(Call).where(Call.step_run_id == step_run_id).order_by(Call.started_at, Call.id)
    return session.execute(wanted).scalars().all()


def failed_tries(session: Session, row: StepRun) -> Sequence[RunLog]:
    """Return what the log says of a step's tries that were made again, the oldest first; of an item, nothing."""
    if row.attempts < 2 or row.item >= 0:
        return []
    wanted = sa.select(RunLog).where(
        RunLog.run_id == row.run_id, RunLog.step_id == row.step_id, RunLog.event == "retry"
    )
    return session.execute(wanted.order_by(RunLog.at, RunLog.id)).scalars().all()


def retries(session: Session, run_id: str) -> dict[str, list[RunLog]]:
    """Return what the log says of the tries that were made again, by step, the oldest first; the first thousand."""
    wanted = sa.select(RunLog).where(RunLog.run_id == run_id, RunLog.event == "retry")
    found: dict[str, list[RunLog]] = defaultdict(list)
    for line in session.execute(wanted.order_by(RunLog.at, RunLog.id).limit(1000)).scalars():
        found[line.step_id or ""].append(line)
    return found


def waits(session: Session, run_id: str) -> Sequence[WaitRow]:
    """Return the waits of a run, in the order they began."""
    wanted = sa.select(WaitRow).where(WaitRow.run_id == run_id).order_by(WaitRow.created_at, WaitRow.id)
    return session.execute(wanted).scalars().all()


def version_facts(session: Session, run: Run) -> VersionFacts:
    """Return what a run is a run of. One statement."""
    row = session.execute(
        sa.select(
            Workflow.id, Workflow.name, Workflow.template_slug, Version.number, Workflow.published_number,
            Workflow.deleted_at.is_(None), Workflow.former_names,
        )
        .join(Version, Version.workflow_id == Workflow.id)
        .where(Version.id == run.version_id)
    ).one()  # fmt: skip
    return VersionFacts(*row)


def open_waits(session: Session, run_ids: Sequence[str]) -> dict[str, WaitRow]:
    """Return what each of these runs waits for, by run id: a person before the clock. No runs, no read.

    Last of all comes what is decided and can still be taken back.
    """
    if not run_ids:
        return {}
    is_open = WaitRow.status == WaitStatus.WAITING.value
    is_undoable = sa.and_(WaitRow.status == WaitStatus.DECIDED.value, WaitRow.effective_at > clock.now())
    wanted = (
        sa.select(WaitRow)
        .where(WaitRow.run_id.in_(run_ids), sa.or_(is_open, is_undoable))
        .order_by(is_open.asc(), (WaitRow.kind == "approval").asc(), WaitRow.created_at.desc())
    )
    return {wait.run_id: wait for wait in session.execute(wanted).scalars()}


def held(session: Session, run_ids: Sequence[str]) -> set[str]:
    """Return those of these runs in which nothing is to do but steps that send. No runs, no read."""
    if not run_ids:
        return set()
    is_held = sa.and_(StepRun.status == StepStatus.PENDING.value, StepRun.effect == Effect.SENDS.value)
    settled = [status.value for status in StepStatus if status.is_settled]
    wanted = (
        sa.select(StepRun.run_id)
        .where(StepRun.run_id.in_(run_ids), StepRun.status.not_in(settled))
        .group_by(StepRun.run_id)
        .having(sa.func.sum(sa.case((is_held, 0), else_=1)) == 0)
    )
    return set(session.scalars(wanted))


def why(session: Session, runs: Iterable[Run]) -> dict[str, str]:
    """Return in a sentence why each of these runs failed, or asks, by run id.

    Reads nothing where the runs say it themselves.
    """
    said = {run.id: str((run.error or {}).get("message") or "") for run in runs if run.status == RunStatus.FAILED}
    failed = [run_id for run_id, message in said.items() if not message]
    asking = [run.id for run in runs if run.status == RunStatus.NEEDS_ATTENTION]
    if not failed and not asking:
        return said
    wanted = (
        sa.select(StepRun.run_id, StepRun.error)
        .where(
            sa.or_(
                sa.and_(StepRun.run_id.in_(failed), StepRun.status == StepStatus.FAILED.value),
                sa.and_(StepRun.run_id.in_(asking), StepRun.status == StepStatus.NEEDS_ATTENTION.value),
            )
        )
        .order_by(StepRun.finished_at.desc(), StepRun.id.desc())
    )
    return said | {run_id: str((error or {}).get("message") or "") for run_id, error in session.execute(wanted)}


def unanswered(session: Session, runs: Iterable[Run]) -> set[str]:
    """Return which of these runs finished without a yes because nobody answered in time. No such runs, no read."""
    run_ids = [run.id for run in runs if run.status == RunStatus.COMPLETED and run.last_no]
    if not run_ids:
        return set()
    wanted = (
        sa.select(StepRun.run_id, StepRun.output)
        .where(
            StepRun.run_id.in_(run_ids),
            StepRun.type == "review",
            StepRun.status == StepStatus.COMPLETED.value,
        )
        .order_by(StepRun.finished_at)
    )
    last: dict[str, object] = dict(session.execute(wanted).all())
    return {run_id for run_id, output in last.items() if by_nobody(output)}


def by_nobody(output: object) -> bool:
    """Tell whether a review ended by its time alone: who decided stands in its output."""
    return isinstance(output, dict) and output.get("by") == ""


def names_by_email(session: Session, workspace_id: str, emails: Iterable[str]) -> dict[str, str]:
    """Return the names of the workspace's members that have these addresses (lower case); no addresses, no read."""
    wanted = list(emails)
    if not wanted:
        return {}
    rows = session.execute(
        sa.select(User.email, User.name)
        .join(Membership, Membership.user_id == User.id)
        .where(Membership.workspace_id == workspace_id, User.email.in_(wanted))
    )
    return {email: name for email, name in rows if name}


def step_costs(session: Session, run_id: str) -> dict[str, int]:
    """Return what each step of a run cost, its items together, in micro-dollars."""
    rows = session.execute(
        sa.select(StepRun.step_id, sa.func.sum(StepRun.cost_microusd))
        .where(StepRun.run_id == run_id)
        .group_by(StepRun.step_id)
    )
    return {step: int(cost or 0) for step, cost in rows}


def first_in_trouble(session: Session, run: Run) -> str | None:
    """Return the step that the run failed by, else the first that failed or asks; None when none does."""
    if run.status == RunStatus.FAILED and (run.error or {}).get("step"):
        return str((run.error or {})["step"])
    trouble = (StepStatus.FAILED.value, StepStatus.NEEDS_ATTENTION.value)
    wanted = sa.select(StepRun.step_id).where(StepRun.run_id == run.id, StepRun.status.in_(trouble))
    return session.scalar(wanted.order_by(StepRun.finished_at, StepRun.id).limit(1))


def step_run_id(session: Session, run_id: str, step_id: str, item: int = -1) -> str:
    """Return the id of a step run. Raises NotFound while the step has not begun."""
    found = session.scalar(
        sa.select(StepRun.id).where(StepRun.run_id == run_id, StepRun.step_id == step_id, StepRun.item == item)
    )
    if found is None:
        raise NotFound("This step has not begun in this run.")
    return found


def arrived_documents(session: Session, run: Run) -> list[ArrivedDocument]:
    """Return what a list needs of the run's documents, those taken over too: of each text its beginning."""
    taken = files.taken_over(session, run.id) if run.continues_run_id else {}
    rows = session.execute(
        sa.select(
            Document.id,
            Document.step_run_id,
            Document.position,
            Document.title,
            sa.func.substr(Document.body, 1, 400),
            Document.status,
        ).where(files.made_in(Document, run.id, taken), Document.workspace_id == run.workspace_id)
    )
    return [ArrivedDocument(row[0], taken.get(row[1] or "", row[1]), *row[2:]) for row in rows]


def arrived_pictures(session: Session, run: Run) -> list[ArrivedPicture]:
    """Return what a list needs of the run's pictures, those taken over too."""
    taken = files.taken_over(session, run.id) if run.continues_run_id else {}
    rows = session.execute(
        sa.select(Image.id, Image.step_run_id, Image.position, Image.alt, Image.width, Image.height).where(
            files.made_in(Image, run.id, taken), Image.workspace_id == run.workspace_id
        )
    )
    return [ArrivedPicture(row[0], taken.get(row[1] or "", row[1]), *row[2:]) for row in rows]


def made_by(session: Session, run: Run, step_id: str) -> tuple[Sequence[Document], Sequence[Image]]:
    """Return what a step of the run wrote and drew, and what it took over, in its order."""
    rows = session.execute(
        sa.select(StepRun.id, StepRun.reused_from).where(StepRun.run_id == run.id, StepRun.step_id == step_id)
    )
    of = [each for row in rows for each in row if each]
    documents = sa.select(Document).where(Document.step_run_id.in_(of), Document.workspace_id == run.workspace_id)
    pictures = sa.select(Image).where(Image.step_run_id.in_(of), Image.workspace_id == run.workspace_id)
    definition = workflows.load_definition(session, run.version_id)
    return (
        session.scalars(files.as_made(documents, Document, definition)).all(),
        session.scalars(files.as_made(pictures, Image, definition)).all(),
    )


def outbox_counts(session: Session, run_id: str) -> list[tuple[str | None, str, int]]:
    """Count the run's messages by the step that wrote them and by what became of them."""
    rows = session.execute(
        sa.select(OutboxRow.step_run_id, OutboxRow.status, sa.func.count())
        .where(OutboxRow.run_id == run_id)
        .group_by(OutboxRow.step_run_id, OutboxRow.status)
    )
    return [(step_run_id, status, number) for step_run_id, status, number in rows]


