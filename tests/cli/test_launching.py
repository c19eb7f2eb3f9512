"""Templates, runs and approvals from the terminal, beside a running house; the main job from question to end."""

import json
import re
from pathlib import Path

import pytest

from app.cli import launching
from app.core import clock
from app.features.gallery import library
from tests.cli.conftest import Greenlight, Said

OFFER = ("--input", "offer=A red sedan, 12 months old")
RUN_KEYS = set(
    "id number label test status progress eta_s workflow inputs steps documents outputs error cost_microusd tokens"
    " trigger started_by parent_run_id created_at started_at finished_at".split()
)
TEMPLATES = sorted(path.stem for path in library.FOLDER.glob("*.yaml"))


def test_the_main_job_from_launch_over_a_decision_to_the_end(greenlight: Greenlight) -> None:
    said = greenlight("template", "launch", "facebook-ads-campaign", *OFFER, "--watch", "--json")
    assert said.code == 3, said
    run = said.json
    assert set(run) == RUN_KEYS
    assert run["status"] == "waiting"
    assert run["started_by"]["email"] == "owner@demo.example"
    assert len(run["documents"]) == 10
    assert f"Run {run['number']} waits for a person." in said.err
    assert "“10 Facebook ads: A red sedan, 12 months old” is with owner@demo.example:" in said.err

    (approval,) = (
        one for one in greenlight("approval", "list", "--json").json["items"] if one["run_id"] == run["id"]
    )
    assert approval["status"] == "open"
    assert [person["email"] for person in approval["approvers"]] == ["owner@demo.example"]
    decided = greenlight("approval", "decide", approval["id"], "approved", "--json")
    assert decided.code == 0
    assert decided.json["status"] == "approved"
    assert decided.json["decided_by"] == "Olivia Marsh"

    watched = greenlight("run", "watch", str(run["number"]), "--json")
    assert watched.code == 0, watched
    assert watched.json["status"] == "completed"
    assert watched.json["progress"] == 1.0
    assert {document["status"] for document in watched.json["documents"]} == {"approved"}
    again = greenlight("approval", "decide", approval["id"], "rejected", "--reason", "no")
    assert again.code == 1
    assert "Olivia Marsh approved this" in again.err


def test_a_launch_without_watch_says_the_number_and_the_address(greenlight: Greenlight) -> None:
    said = greenlight(
        "template", "instantiate", "facebook-ads-campaign", *OFFER, "--as", "editor@demo.example"
    )
    assert said.code == 0
    assert re.fullmatch(
        r"Run \d+ started: Facebook ads: A red sedan, 12 months old\nhttp://localhost:\d+/runs/\S+\n",
        said.out,
    )
    number = said.out.split()[1]
    assert greenlight("run", "cancel", number).out == f"Run {number} stops.\n"
    ended = greenlight("run", "watch", number)
    assert ended.code == 1
    assert f"Run {number} stopped." in ended.err
    refused = greenlight("run", "stop", number)
    assert refused.code in (0, 1)


def test_wrong_answers_are_all_listed_with_path_message_and_fix(greenlight: Greenlight) -> None:
    words = ("template", "launch", "facebook-ads-campaign", "--input", "copies=900", "--input", "approver=x")
    said = greenlight(*words)
    assert said.code == 2
    assert said.out == ""
    lines = said.err.splitlines()
    assert lines[0] == "3 answers need another look."
    assert [line.split(":")[0].strip() for line in lines[1:]] == [
        "/inputs/offer",
        "/inputs/copies",
        "/inputs/approver",
    ]

    as_json = greenlight(*words, "--json")
    assert as_json.code == 2
    assert [set(problem) for problem in as_json.json["problems"]] == [{"path", "code", "message", "fix"}] * 3


def test_answers_come_from_a_file_and_from_text_files(greenlight: Greenlight, tmp_path: Path) -> None:
    answers, brief = tmp_path / "answers.json", tmp_path / "brief.md"
    answers.write_text(json.dumps({"offer": "From the file", "copies": 2, "pictures": 1}))
    brief.write_text("We say pre-owned.")
    said = greenlight(
        "template", "launch", "facebook-ads-campaign", "--inputs", str(answers), "--input", "copies=3",
        "--input", f"brief=@{brief}", "--watch", "--json",
    )  # fmt: skip
    assert said.code == 3
    inputs = said.json["inputs"]
    assert (inputs["offer"], inputs["copies"], inputs["brief"]) == ("From the file", 3, "We say pre-owned.")
    assert len(said.json["documents"]) == 3
    greenlight("run", "stop", str(said.json["number"]))


def test_an_answer_has_parts_one_by_one(tmp_path: Path) -> None:
    file = tmp_path / "answers.json"
    file.write_text(json.dumps({"car": {"stock": "P2208", "year": 2020}, "tone": "Warm"}))
    given = launching.read_answers(("car.year=2021", "car.make=Honda", "offer=a.b=c"), file)
    assert given == {"car": {"stock": "P2208", "year": "2021", "make": "Honda"}, "tone": "Warm", "offer": "a.b=c"}


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (("--input", "offer"), "is not an answer"),
        (("--inputs", "/nowhere/a.json"), "cannot be read (No such file"),
        (("--inputs", __file__), "is not JSON"),
        (("--input", "brief=@/nowhere/b.md"), "cannot be read (No such file"),
        (("--as", "stranger@example.com", *OFFER), "Nobody in Northfield Motors has the address"),
        (("--workspace", "Elsewhere", *OFFER), "There is no workspace Elsewhere."),
    ],
)
def test_answers_that_cannot_be_read_end_with_2(
    greenlight: Greenlight, words: tuple[str, ...], sentence: str
) -> None:
    said = greenlight("template", "launch", "facebook-ads-campaign", *words)
    assert said.code == 2
    assert sentence in said.err


def test_templates_are_listed_searched_and_shown(greenlight: Greenlight) -> None:
    listed = greenlight("template", "list", "--json").json
    assert [one["slug"] for one in listed["items"]] == TEMPLATES
    assert listed["next"] is None
    found = greenlight("template", "list", "--search", "new car arrived", "--json").json["items"]
    assert [one["slug"] for one in found] == ["used-vehicle-listing-copy", "facebook-ads-campaign"]
    table = greenlight("template", "list").out
    assert all(slug in table for slug in TEMPLATES)

    whole = greenlight("template", "show", "facebook-ads-campaign", "--json").json
    assert whole["definition"]["steps"][0]["type"] == "generate_copy"
    shown = greenlight("template", "show", "facebook-ads-campaign").out
    assert "offer*" in shown
    missing = greenlight("template", "show", "nonsense")
    assert (missing.code, missing.err.splitlines()[0]) == (2, "This template does not exist.")


def test_a_template_goes_to_a_file_comes_in_and_goes_away(greenlight: Greenlight, tmp_path: Path) -> None:
    file = tmp_path / "ours.yaml"
    assert greenlight("template", "export", "facebook-ads-campaign", "--output", str(file)).code == 0
    taken = greenlight("template", "import", str(file))
    assert taken.code != 0
    assert "Greenlight has a template “facebook-ads-campaign” already." in taken.err
    file.write_text(file.read_text("utf-8").replace("slug: facebook-ads-campaign", "slug: our-ads"), "utf-8")
    first, same = (greenlight("template", "import", str(file), "--json") for _ in range(2))
    ours = file.read_text("utf-8")
    file.write_text(ours.replace("summary: ", "summary: Better "), "utf-8")
    second = greenlight("template", "import", str(file), "--json")
    assert [kept.code for kept in (first, same, second)] == [0, 0, 0]
    assert same.json["version"] == first.json["version"]  # nothing is new
    assert second.json["version"] == first.json["version"] + 1
    assert greenlight("template", "export", "our-ads", "--json").json["version"] == second.json["version"]
    file.write_text(ours, "utf-8")
    older = greenlight("template", "import", str(file), "--json")
    assert (older.code, older.json["fix"]) == (
        1, f"--replace makes this its version {second.json['version'] + 1}; or give yours another slug.",
    )  # fmt: skip
    third = greenlight("template", "import", str(file), "--replace", "--json")
    assert third.json["version"] == second.json["version"] + 1
    file.write_text("slug: [", "utf-8")
    assert greenlight("template", "import", str(file)).code == 2
    assert greenlight("template", "delete", "our-ads", "--yes").out == "our-ads is removed.\n"
    assert greenlight("template", "show", "our-ads").code == 2
    assert greenlight("template", "delete", "facebook-ads-campaign", "--yes").code == 1


def test_a_workflow_becomes_a_template(greenlight: Greenlight) -> None:
    made = greenlight("template", "create", "Facebook Ads Campaign", "--name", "Ads of ours", "--json")
    assert (made.code, made.json["slug"], made.json["category"]) == (0, "ads-of-ours", "paid-ads")
    assert "--ask" in made.err
    odd = greenlight("template", "create", "Facebook Ads Campaign", "--name", "Ads of ours", "--ask", "nothing=?")
    assert (odd.code, odd.err.splitlines()[0]) == (2, "nothing cannot be asked.")
    assert greenlight("template", "create", "No such workflow").code == 2
    other = ("template", "create", "Blog with Social", "--name", "Ads of ours", "--json")
    taken = greenlight(*other)
    message = "There is already a template called “Ads of ours” by Olivia Marsh, version 1."
    assert (taken.code, taken.json["code"], taken.json["message"]) == (1, "conflict", message)
    assert taken.json["fix"] == "--replace makes this its version 2; or give another --name."
    assert greenlight(*other, "--replace").json["version"] == 2
    assert greenlight("template", "delete", "ads-of-ours", "--yes", "--json").json["slug"] == "ads-of-ours"


def test_runs_are_listed_filtered_and_paged(greenlight: Greenlight) -> None:
    every = greenlight("run", "list", "--status", "completed", "--json").json["items"]
    assert {run["trigger"]["kind"] for run in every} >= {"seed"}
    assert all(set(run) == RUN_KEYS for run in every)
    first = greenlight("run", "list", "--status", "completed", "--limit", "2", "--json").json
    assert [run["id"] for run in first["items"]] == [run["id"] for run in every[:2]]
    words = ("run", "list", "--status", "completed", "--limit", "2", "--json")
    second = greenlight(*words, "--cursor", first["next"]).json
    assert [run["id"] for run in second["items"]] == [run["id"] for run in every[2:4]]
    assert "Instagram" in greenlight("run", "list", "--search", "instagram").out
    assert greenlight("run", "list", "--status", "nonsense").code == 2


def test_a_run_is_shown_by_number_and_by_id(greenlight: Greenlight) -> None:
    by_number = greenlight("run", "show", "1", "--json").json
    assert greenlight("run", "show", "#1", "--json").json == by_number
    assert greenlight("run", "show", by_number["id"], "--json").json == by_number
    text = greenlight("run", "show", "1").out
    assert "completed" in text
    assert "Document" in text
    assert greenlight("run", "show", "9999").code == 2
    logs = greenlight("run", "logs", "1", "--json").json
    assert logs["next"] is None
    assert greenlight("run", "logs", "1").code == 0


def test_a_run_is_paused_resumed_and_stopped(greenlight: Greenlight) -> None:
    answers = _sample("instagram-carousel", greenlight)
    started: Said = greenlight("template", "launch", "instagram-carousel", *answers, "--json")
    number = str(started.json["number"])
    paused = greenlight("run", "pause", number, "--json")
    assert paused.code == 0
    assert paused.json["status"] in ("pausing", "paused")
    watched = greenlight("run", "watch", number, "--json")
    assert (watched.code, watched.json["status"]) == (3, "paused")
    assert greenlight("run", "resume", number).out == f"Run {number} goes on.\n"
    assert greenlight("run", "watch", number).code == 3  # its review
    assert greenlight("run", "stop", number, "--json").json["status"] in ("stopping", "stopped")
    assert greenlight("run", "watch", number).code == 1


def test_a_rejection_needs_a_reason_and_the_right_person(greenlight: Greenlight) -> None:
    run = greenlight("template", "launch", "facebook-ads-campaign", *OFFER, "--watch", "--json").json
    (approval,) = (
        one for one in greenlight("approval", "list", "--json").json["items"] if one["run_id"] == run["id"]
    )
    without = greenlight("approval", "decide", approval["id"], "reject")
    assert without.code == 2
    assert "/reason: " in without.err
    stranger = greenlight("approval", "decide", approval["id"], "approve", "--as", "stranger@example.com")
    assert stranger.code == 2
    assert "was not asked" in stranger.err
    assert approval["id"] in greenlight("approval", "list", "--for", "owner@demo.example").out
    words = ("approval", "decide", approval["id"], "reject", "--reason", "Too loud")
    done = greenlight(*words, "--as", "owner@demo.example")
    assert (done.code, done.out) == (0, f"{approval['title']}: rejected by owner@demo.example.\n")
    ended = greenlight("approval", "list", "--status", "ended", "--json").json["items"]
    assert approval["id"] in [one["id"] for one in ended]


def test_edits_go_with_a_decision(greenlight: Greenlight, tmp_path: Path) -> None:
    run = greenlight("template", "launch", "facebook-ads-campaign", *OFFER, "--watch", "--json").json
    (approval,) = (
        one for one in greenlight("approval", "list", "--json").json["items"] if one["run_id"] == run["id"]
    )
    edits = tmp_path / "edits.json"
    edits.write_text(json.dumps({run["documents"][0]["id"]: {"title": "Better"}}))
    assert greenlight("approval", "decide", approval["id"], "approve", "--edits", str(edits)).code == 0
    after = greenlight("run", "show", run["id"], "--json").json["documents"]
    assert [one["title"] for one in after if one["id"] == run["documents"][0]["id"]] == ["Better"]
    edits.write_text('{"x": {"status": "approved"}}')
    assert greenlight("approval", "decide", approval["id"], "approve", "--edits", str(edits)).code == 2


def test_the_doctor_finds_a_healthy_house_well(greenlight: Greenlight) -> None:
    said = greenlight("doctor", "--json")
    assert said.code == 0, said
    assert said.json["ok"] is True
    assert [check["name"] for check in said.json["checks"]][:5] == [
        "settings",
        "disk",
        "database",
        "redis",
        "runs",
    ]
    assert greenlight("doctor").out.startswith("ok     settings")


def test_seeding_again_changes_nothing(greenlight: Greenlight) -> None:
    before = _samples(greenlight)
    templates = greenlight("template", "list", "--json").json["items"]
    assert greenlight("template", "create", "Facebook Ads Campaign", "--name", "Of no sample").code == 0
    said = greenlight("seed", "--runs", "--json")
    assert greenlight("template", "delete", "of-no-sample", "--yes").code == 0
    assert said.json == {"templates_changed": 0, "demo": True, "sample_runs": len(templates)}
    assert _samples(greenlight) == before


def _samples(greenlight: Greenlight) -> list[str]:
    """Return the runs that the seed made; others of this house may end meanwhile."""
    listed = greenlight("run", "list", "--status", "completed", "--limit", "200", "--json").json["items"]
    return [run["id"] for run in listed if run["trigger"]["kind"] == "seed"]


def _sample(slug: str, greenlight: Greenlight) -> list[str]:
    inputs = greenlight("template", "show", slug, "--json").json["sample_inputs"]
    days = {key: clock.now().date() for key, value in inputs.items() if re.fullmatch(r"\d{4}-\d\d-\d\d", str(value))}
    return [word for key, value in (inputs | days).items() for word in ("--input", f"{key}={value}")]
