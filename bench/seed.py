"""What scenarios stand on: people with open sessions, a template and its workflow, forms ready to start, runs."""

from dataclasses import dataclass
from datetime import datetime
from typing import Any

import sqlalchemy as sa

from app.core import clock
from app.core.db import moment
from app.core.ids import new_id
from app.engine import jobs
from app.engine.enums import RUN_OPEN
from app.engine.models import Run
from app.features.accounts import service as accounts
from app.features.accounts.enums import Role
from app.features.accounts.service import Actor
from app.features.gallery.models import LaunchDraft, Template
from app.features.runs import service as runs
from app.features.workflows import service as workflows
from app.features.workflows.models import Workflow
from bench.ground import House

SLUG = "bench"
INPUTS = [{"key": "offer", "label": "What is the offer?", "type": "text", "required": True}]
ANSWERS = {"offer": "2022 Honda CR-V"}
OPEN = ", ".join(f"'{status}'" for status in sorted(RUN_OPEN))  # as the index of open runs has it


def chain(length: int) -> list[dict[str, Any]]:
    """Return steps that each take over one value from the step before and add nothing that costs time."""
    first = {
        "id": "s1",
        "type": "transform",
        "name": "Step 1",
        "config": {"set": {"value": "{{ inputs.offer }}"}},
    }
    return [first] + [
        {
            "id": f"s{number}", "type": "transform", "name": f"Step {number}", "after": [f"s{number - 1}"],
            "config": {"set": {"value": f"{{{{ steps.s{number - 1}.value }}}}"}},
        }
        for number in range(2, length + 1)
    ]  # fmt: skip


def fan(width: int, step_type: str, milliseconds: float) -> list[dict[str, Any]]:
    """Return one step, *width* parallel naps after it, and a merge of them."""
    names = [f"n{number}" for number in range(width)]
    naps = [
        {
            "id": name,
            "type": step_type,
            "name": name,
            "after": ["s1"],
            "config": {"milliseconds": milliseconds},
        }
        for name in names
    ]
    return [*chain(1), *naps, {"id": "end", "type": "merge", "name": "All", "after": names, "config": {}}]


@dataclass(frozen=True)
class Person:
    """A signed-in person: what their browser sends."""

    user_id: str
    token: str
    csrf: str


@dataclass
class Team:
    """One workspace with its people and the one workflow that scenarios run."""

    house: House
    workspace_id: str
    workflow_id: str
    people: list[Person]

    def start(self, count: int, *, hint: bool = True, due_s: float = 0) -> list[str]:
        """Start runs as a page does, all in one transaction; hint them in one go after the commit.

        The clock looks after those that nobody has begun *due_s* later.
        """
        with self.house.session() as session:
            workflow = session.get_one(Workflow, self.workflow_id)
            actor = Actor(self.people[0].user_id, "Bench", "bench@greenlight.example")
            made = [
                runs.start(
                    session, workspace_id=self.workspace_id, workflow=workflow, inputs=ANSWERS, actor=actor,
                    label="Offer {{ inputs.offer }}",
                ).id
                for _ in range(count)
            ]  # fmt: skip
            if due_s:
                session.execute(sa.update(Run).where(Run.id.in_(made)).values(due_at=moment(due_s)))
        if hint:
            jobs.hint_runs(made)
        return made

    def forms(self, each: int) -> list[tuple[Person, str]]:
        """Fill in *each* launch forms for everybody; return whose they are, in turn, and their ids."""
        made = [(person, new_id()) for _ in range(each) for person in self.people]
        rows = [
            {
                "id": draft_id, "workspace_id": self.workspace_id, "user_id": person.user_id, "template_slug": SLUG,
                "answers": ANSWERS, "updated_at": clock.now(),
            }
            for person, draft_id in made
        ]  # fmt: skip
        with self.house.session() as session:
            session.execute(sa.insert(LaunchDraft), rows)
        return made

    def wait_ended(self, limit_s: float = 120.0) -> None:
        """Wait until no run of the workflow is open; asked of the open ones alone, not of all that it ever had."""
        still = f"SELECT count(*) FROM run WHERE status IN ({OPEN}) AND coalesce(workflow_id, '') = :id"
        self.house.until(
            lambda: self.house.scalar(still, id=self.workflow_id) == 0, "the end of the runs", limit_s=limit_s
        )

    def last_end(self) -> float:
        """Return when the workflow's last run ended, in seconds since 1970."""
        with self.house.reader.connect() as connection:
            last = sa.select(sa.func.max(Run.finished_at)).where(Run.workflow_id == self.workflow_id)
            at: datetime = connection.execute(last).scalar_one()
        return at.timestamp()

    def took_ms(self) -> list[float]:
        """Return how long each run took from its start to its end, in the order of their starts."""
        with self.house.reader.connect() as connection:
            rows = connection.execute(sa.select(Run.created_at, Run.finished_at).order_by(Run.number)).all()
        return [1000 * (finished - created).total_seconds() for created, finished in rows]

    def check_exist(self, run_ids: list[str]) -> None:
        """Raise unless every one of these runs is there."""
        with self.house.reader.connect() as connection:
            there = set(connection.execute(sa.select(Run.id)).scalars())
        if missing := set(run_ids) - there:
            raise RuntimeError(f"{len(missing)} accepted starts are missing")

    def check_completed(self, count: int) -> None:
        """Raise unless all of the workspace's *count* runs completed."""
        done = self.house.scalar("SELECT count(*) FROM run WHERE status = 'completed'")
        if done != count:
            rows = self.house.scalar("SELECT count(*) FROM run")
            raise RuntimeError(f"{done} of {rows} runs completed, expected {count}\n{self.house.logs()}")


def team(house: House, steps: list[dict[str, Any]], *, people: int = 1) -> Team:
    """Make a workspace with *people* editors who are signed in, and publish *steps* as a template's workflow.

    Their addresses have no digits but their own: a search for a number would find the people of an id that has it, in
    one of two houses.
    """
    definition = {"schema": 1, "inputs": INPUTS, "steps": steps}
    with house.session() as session:
        workspace = accounts.create_workspace(session, name="Northfield Motors", timezone="America/New_York")
        made = []
        for number in range(people):
            user = accounts.create_user(
                session, email=f"person{number}@{_in_letters(workspace.id)}.example", name=f"Person {number}",
                password="", workspace_id=workspace.id, role=Role.OWNER, check_password=False, password_hash="none",
            )  # fmt: skip
            opened = accounts.sign_in(session, user)
            made.append(Person(user.id, opened.token, opened.csrf))
        session.add(
            Template(
                slug=SLUG, workspace_id=workspace.id, version=1, name="Bench", summary="Measures.", category="sales",
                label="Offer {{ inputs.offer }}", sample_inputs=ANSWERS, estimate={"minutes": 1, "cost_microusd": 0},
                definition=definition, updated_at=clock.now(),
            )
        )  # fmt: skip
        workflow = workflows.create(
            session, workspace_id=workspace.id, name="Bench", definition=definition, actor_id=made[0].user_id,
            template_slug=SLUG, template_version=1,
        )  # fmt: skip
        return Team(house, workspace.id, workflow.id, made)


def _in_letters(workspace_id: str) -> str:
    return workspace_id.translate(str.maketrans("0123456789", "ghijklmnop"))


def hint(run_ids: list[str]) -> None:
    """Hint runs in one go."""
    jobs.hint_runs(run_ids)
