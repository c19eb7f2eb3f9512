"""Problems that people report about a run or a page: kept for the owners, who close them with an answer."""

from collections.abc import Sequence
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.orm import Session

from app.core import clock, outbox
from app.core.errors import Conflict, FieldError, Invalid, NotFound
from app.core.ids import is_id, new_id
from app.engine.models import Run
from app.features.accounts import queries as accounts
from app.features.accounts import service as audit
from app.features.accounts.enums import Role
from app.features.accounts.service import Actor
from app.features.notifications import service as notifications
from app.features.runs.models import Problem

MESSAGE_CHARS = 4000
PAGE = 50


@dataclass(frozen=True, slots=True)
class About:
    """What a report is about: the code, kind and words that the page showed, and the step."""

    code: str = ""
    kind: str = ""
    said: str = ""
    step_id: str = ""


@dataclass(frozen=True, slots=True)
class Reported:
    """A problem with the run that it is about, if it is about one."""

    problem: Problem
    number: int | None
    label: str | None

    @property
    def id(self) -> str:
        """The problem's id: what the list is paged by."""
        return self.problem.id


def report(
    session: Session, workspace_id: str, *, message: str, about: About, actor: Actor, run: Run | None = None
) -> Problem:
    """Keep what somebody says of a run or a page and mail the owners. The same words twice are one. Raises Invalid."""
    message = message.replace("\r\n", "\n").replace("\0", "").strip()
    if not message:
        raise _wrong("required", "Say in a few words what is wrong.", "What did you expect, and what happened?")
    if len(message) > MESSAGE_CHARS:
        raise _wrong("too_long", f"This has {len(message):,} characters.", f"Use at most {MESSAGE_CHARS:,}.")
    same = sa.select(Problem).where(
        Problem.workspace_id == workspace_id,
        Problem.run_id == (run and run.id),
        Problem.code == about.code,
        Problem.reported_by == actor.user_id,
        Problem.message == message,
        Problem.closed_at.is_(None),
    )
    if (found := session.execute(same).scalars().first()) is not None:
        return found
    problem = Problem(
        id=new_id(),
        workspace_id=workspace_id,
        run_id=run and run.id,
        step_id=about.step_id,
        code=about.code,
        kind=about.kind,
        said=about.said,
        message=message,
        reported_by=actor.user_id,
        reporter=actor.name,
        created_at=clock.now(),
    )
    session.add(problem)
    session.flush()
    _note(session, problem, "problem.reported", actor, number=run and run.number, code=about.code)
    _tell_owners(session, run, problem, actor)
    return problem


def close(session: Session, problem: Problem, *, answer: str, actor: Actor) -> None:
    """Close a report with an answer, which is mailed to who reported it. Raises Conflict when it is closed already."""
    if not problem.is_open:
        raise Conflict(f"{problem.closed_by} has closed this report already.")
    problem.closed_at, problem.closed_by = clock.now(), actor.name
    problem.answer = answer.replace("\r\n", "\n").replace("\0", "").strip()[:MESSAGE_CHARS]
    session.flush()
    _note(session, problem, "problem.closed", actor)
    who = [each for each in accounts.members(session, problem.workspace_id) if each.user_id == problem.reported_by]
    if who and problem.answer and who[0].user_id != actor.user_id:
        body = f"{actor.name} answers what you reported:\n\n{problem.answer}"
        _mail(session, problem, who[0].email, "Your report is answered", body, "answered")


def problem(session: Session, workspace_id: str, problem_id: str) -> Problem:
    """Return one report. Raises NotFound for a missing or a stranger's one."""
    wanted = sa.select(Problem).where(Problem.id == problem_id, Problem.workspace_id == workspace_id)
    found = session.execute(wanted).scalar_one_or_none() if is_id(problem_id) else None
    if found is None:
        raise NotFound("This report does not exist.")
    return found


def reported(
    session: Session, workspace_id: str, *, is_open: bool, limit: int = PAGE, before: str | None = None
) -> Sequence[Reported]:
    """Return open or closed reports, the newest first; *before* is the id of the last one already seen."""
    closed = Problem.closed_at.is_(None) if is_open else Problem.closed_at.is_not(None)
    wanted = (
        sa.select(Problem, Run.number, Run.label)
        .outerjoin(Run, Run.id == Problem.run_id)
        .where(Problem.workspace_id == workspace_id, closed)
    )
    if before is not None:
        wanted = wanted.where(Problem.id < before)
    rows = session.execute(wanted.order_by(Problem.id.desc()).limit(limit))
    return [Reported(*row) for row in rows]


def count_open(session: Session, workspace_id: str) -> int:
    """Count the reports that nobody has closed."""
    wanted = sa.select(sa.func.count()).where(Problem.workspace_id == workspace_id, Problem.closed_at.is_(None))
    return session.execute(wanted).scalar_one()


def _tell_owners(session: Session, run: Run | None, problem: Problem, actor: Actor) -> None:
    of = f"run {run.number}, {run.label}" if run else "a page"
    quoted = f"{problem.said}\n\n" if problem.said else ""
    code = f" Its code is {problem.code}." if problem.code else ""
    body = f"{actor.name} reports a problem with {of}.{code}\n\n{quoted}“{problem.message}”"
    subject = f"Problem reported: {run.label if run else problem.said}"
    for member in accounts.members(session, problem.workspace_id):
        if member.role is Role.OWNER and member.is_active and member.user_id != actor.user_id:
            _mail(session, problem, member.email, subject, body, "reported")


def _mail(session: Session, problem: Problem, recipient: str, subject: str, body: str, why: str) -> None:
    outbox.post(
        session,
        channel="email",
        recipient=recipient,
        subject=subject[:200],
        content=notifications.notice(subject[:200], body, _link(problem, why)),
        dedupe_key=f"problem-{problem.id}-{why}-{recipient}",
        workspace_id=problem.workspace_id,
    )


def _link(problem: Problem, why: str) -> tuple[str, str] | None:
    if problem.run_id is not None:
        return "See the run", f"/runs/{problem.run_id}"
    return ("See the report", "/settings/problems") if why == "reported" else None


def _note(session: Session, problem: Problem, action: str, actor: Actor, **detail: object) -> None:
    audit.audit(
        session, workspace_id=problem.workspace_id, actor=actor.name, actor_id=actor.user_id, action=action,
        subject_kind="problem", subject_id=problem.id, **detail,
    )  # fmt: skip


def _wrong(code: str, message: str, fix: str) -> Invalid:
    return Invalid(message, [FieldError("/message", code, message, fix)], fix=fix)
