"""``greenlight schedule`` beside a running house: made, seen, due, switched off, deleted."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

from tests.cli.conftest import Greenlight
from tests.servers import wait_until


def test_a_schedule_is_made_previewed_switched_off_and_deleted(greenlight: Greenlight, definition: Path) -> None:
    assert greenlight("workflow", "import", str(definition), "--name", "Monday check").code == 0

    made = greenlight(
        "schedule", "create", "Monday check", "every Monday at 8:00", "--name", "Mondays", "--overlap", "queue",
        "--missed", "all", "--input", "words=go", "--json",
    )  # fmt: skip
    assert made.code == 0, made.out + made.err
    facts = made.json
    assert (facts["name"], facts["cron"], facts["timezone"]) == ("Mondays", "0 8 * * 1", "America/New_York")
    assert (facts["overlap"], facts["missed"], facts["enabled"]) == ("queue", "all", True)
    assert (facts["workflow"]["name"], facts["inputs"], facts["problem"]) == ("Monday check", {"words": "go"}, None)

    coming = greenlight("schedule", "preview", "Mondays", "--count", "2", "--json").json
    assert coming["when"] == facts["when"]
    assert coming["next"][0] == facts["next_due_at"]
    assert _moment(coming["next"][1]) - _moment(coming["next"][0]) in [timedelta(days=7, hours=h) for h in (-1, 0, 1)]
    seen = greenlight("schedule", "list").out
    assert "Mondays" in seen
    assert "Monday check" in seen

    off = greenlight("schedule", "disable", "mondays", "--json").json
    assert (off["enabled"], off["next_due_at"]) == (False, None)
    assert greenlight("schedule", "enable", facts["id"], "--json").json["next_due_at"] == facts["next_due_at"]
    gone = greenlight("schedule", "delete", "Mondays", "--yes")
    assert (gone.code, gone.out) == (0, "Mondays is deleted.\n")
    assert greenlight("schedule", "disable", "Mondays").code == 2


def test_the_clock_of_the_house_starts_what_is_due(greenlight: Greenlight, definition: Path) -> None:
    from app.cli.desk import open_desk
    from app.features.triggers import queries
    from app.features.triggers.service import database_now

    greenlight("workflow", "import", str(definition), "--name", "Often")
    greenlight("schedule", "create", "Often", "every 15 minutes", "--name", "Quarterly", "--input", "words=go")
    with open_desk(None) as desk:
        found = queries.named(desk.session, desk.workspace.id, "Quarterly")
        found.anchor_at = found.next_due_at = found.look_at = database_now(desk.session)
        desk.session.commit()
        schedule_id = found.id

    def started() -> list[str]:
        runs = greenlight("run", "list", "--json").json["items"]
        return [run["id"] for run in runs if run["trigger"]["id"] == schedule_id]

    wait_until(started)
    (run_id,) = started()
    shown = greenlight("run", "show", run_id)
    assert "Due  " in shown.out
    assert greenlight("run", "show", run_id, "--json").json["trigger"]["kind"] == "schedule"
    (due,) = greenlight("schedule", "show", "Quarterly", "--json").json["due"]
    assert (due["status"], due["run_id"]) == ("started", run_id)
    assert run_id in greenlight("schedule", "show", "Quarterly").out
    greenlight("schedule", "delete", "Quarterly", "--yes")


def test_what_is_wrong_is_told_by_its_field_and_with_its_fix(greenlight: Greenlight, definition: Path) -> None:
    greenlight("workflow", "import", str(definition), "--name", "Never")

    wrong = greenlight("schedule", "create", "Never", "every Monday", "--timezone", "America/New_York", "--json")
    assert wrong.code == 2
    told = {problem["path"]: problem["fix"] for problem in wrong.json["problems"]}
    assert told["when"] == "Write “every monday at 9:00”."
    assert "/inputs/words" in told
    said = greenlight("schedule", "preview", "* * * * *")
    assert (said.code, said.out) == (2, "")
    assert "when: Between two runs lie 5 minutes at least; here it would be 1." in said.err
    assert greenlight("schedule", "create", "No such workflow", "every day at 9").code == 2


def _moment(text: str) -> datetime:
    return datetime.fromisoformat(text).astimezone(UTC)
