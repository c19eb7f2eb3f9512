"""Workflows in and out of files, and runs of them."""

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Greenlight


def test_a_workflow_goes_in_runs_and_comes_out_again(
    greenlight: Greenlight, definition: Path, tmp_path: Path
) -> None:
    made = greenlight("workflow", "import", str(definition), "--json")
    assert made.code == 0, made
    assert (made.json["name"], made.json["version"]) == ("Small check", 1)
    assert [step["id"] for step in made.json["definition"]["steps"]] == ["set", "check", "end"]

    run = greenlight("workflow", "run", "small check", "--input", "words=hello", "--watch", "--json")
    assert run.code == 3
    assert run.json["outputs"]["set"] == {"said": "HELLO"}
    (approval,) = (
        one
        for one in greenlight("approval", "list", "--json").json["items"]
        if one["run_id"] == run.json["id"]
    )
    assert approval["text"] == "Say HELLO?"
    greenlight("approval", "decide", approval["id"], "approve")
    assert greenlight("run", "watch", run.json["id"]).code == 0

    file = tmp_path / "out.yaml"
    assert greenlight("workflow", "export", made.json["id"], "--output", str(file)).code == 0
    again = greenlight("workflow", "import", str(file), "--into", made.json["id"], "--json").json
    assert (again["id"], again["version"]) == (made.json["id"], 2)
    assert again["definition"] == made.json["definition"]
    exported = json.loads(greenlight("workflow", "export", made.json["id"], "--json").out)
    assert exported["definition"] == again["definition"]

    assert made.json["id"] in [one["id"] for one in greenlight("workflow", "list", "--json").json["items"]]
    assert "Small check" in greenlight("workflow", "list").out
    assert "check:approved" in greenlight("workflow", "show", made.json["id"]).out
    assert greenlight("workflow", "show", made.json["id"], "--json").json["version"] == 2


BROKEN = """
schema: 1
inputs: [{key: offer, type: text}]
steps:
  - {id: a, type: generate_copi, config: {prompt: "{{ inputs.ofer }}"}}
  - {id: b, type: condition, after: [c], config: {if: {value: "{{ inputs.offer }}", op: about, than: 1}}}
  - {id: c, type: transform, after: [b], config: {set: {x: 1}}}
  - {id: c, type: review, after: [nowhere], config: {approvers: []}}
"""


def test_all_problems_of_a_file_are_listed_at_once(greenlight: Greenlight, tmp_path: Path) -> None:
    file = tmp_path / "broken.yaml"
    file.write_text(BROKEN)
    for command in ("import", "validate"):
        said = greenlight("workflow", command, str(file), "--json")
        assert said.code == 2
        problems = said.json["problems"]
        codes = {problem["code"] for problem in problems}
        assert codes >= {"unknown_type", "duplicate", "unknown_step", "unknown_input"}
        assert all(problem["path"].startswith("/") and problem["fix"] for problem in problems)
    told = greenlight("workflow", "import", str(file))
    assert told.code == 2
    assert told.out == ""
    assert len(told.err.splitlines()) == len(problems) + 1
    assert "/steps/0/type: " in told.err
    names = [one["name"] for one in greenlight("workflow", "list", "--json").json["items"]]
    assert "Broken" not in names


@pytest.mark.parametrize(
    ("text", "sentence"),
    [
        ("steps: [", "is not YAML"),
        ("- a\n- b\n", "holds no workflow"),
        ("a: 1\na: 2\n", "the key 'a' stands twice"),
        ("a: &x [1]\nb: [*x, *x]\n", "aliases are not supported"),
        ("a: !!python/object/apply:os.system [true]\n", "is not YAML"),
        ("[" * 1500, "is not YAML"),
        ("", "holds no workflow"),
    ],
    ids=["open", "list", "doubled", "alias", "code", "deep", "empty"],
)
def test_a_file_that_is_no_workflow_ends_with_2(
    call: Greenlight, tmp_path: Path, text: str, sentence: str
) -> None:
    file = tmp_path / "file.yaml"
    file.write_text(text)
    said = call("workflow", "validate", str(file), DATA_DIR=str(tmp_path))
    assert said.code == 2
    assert sentence in said.err


def test_files_that_cannot_be_read_end_with_2(call: Greenlight, tmp_path: Path) -> None:
    assert "cannot be read (No such file" in call("workflow", "import", str(tmp_path / "none.yaml")).err
    (tmp_path / "bytes.yaml").write_bytes(b"\xff\xfe")
    assert "is not text in UTF-8" in call("workflow", "validate", str(tmp_path / "bytes.yaml")).err


def test_validate_reads_stdin_and_keeps_nothing(
    call: Greenlight, definition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(definition.read_text()))
    said = call("workflow", "validate", "-", DATA_DIR=str(tmp_path))
    assert (said.code, said.out) == (0, "Nothing is wrong: 3 steps, 2 questions.\n")


def test_an_unknown_workflow_and_wrong_answers_end_with_2(greenlight: Greenlight, definition: Path) -> None:
    assert "There is no workflow Nothing." in greenlight("workflow", "run", "Nothing").err
    greenlight("workflow", "import", str(definition), "--name", "Twice")
    wrong = greenlight("workflow", "execute", "Twice", "--input", "day=soon")
    assert wrong.code == 2
    assert [line.split(":")[0].strip() for line in wrong.err.splitlines()[1:]] == [
        "/inputs/words",
        "/inputs/day",
    ]
    greenlight("workflow", "import", str(definition), "--name", "Twice")
    assert "2 workflows are called Twice." in greenlight("workflow", "show", "Twice").err


def test_a_workflow_is_created_published_switched_off_and_deleted(
    greenlight: Greenlight, definition: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(""))
    made = greenlight("workflow", "create", "Step by step", "--file", str(definition), "--json")
    assert (made.code, made.json["version"], made.json["name"]) == (0, 0, "Step by step")
    wanted = made.json["id"]
    assert greenlight("workflow", "run", wanted, "--input", "words=x").code == 2
    assert "not published" in greenlight("workflow", "show", wanted).out
    assert greenlight("workflow", "publish", wanted, "--note", "At last", "--json").json["version"] == 1
    again = greenlight("workflow", "publish", wanted)
    assert (again.code, "Nothing is new" in again.err) == (1, True)

    changed = tmp_path / "changed.yaml"
    changed.write_text(definition.read_text() + "limits: {minutes: 5}\n")
    published = greenlight("workflow", "publish", wanted, "--file", str(changed))
    assert "version 2. The next run uses it." in published.out
    assert "A run may now work 5 minutes at most; before there was no limit." in published.out

    assert greenlight("workflow", "disable", wanted, "--runs", "stop", "--json").json["enabled"] is False
    off = greenlight("workflow", "run", wanted, "--input", "words=x")
    assert (off.code, "switched off" in off.err) == (1, True)
    assert greenlight("workflow", "enable", wanted, "--json").json["enabled"] is True
    assert greenlight("workflow", "disable", wanted, "--runs", "burn").code == 2

    kept = greenlight("workflow", "delete", wanted)  # nobody answers
    assert kept.code != 0
    assert greenlight("workflow", "show", wanted).code == 0
    assert greenlight("workflow", "delete", wanted, "--yes").code == 0
    assert greenlight("workflow", "show", wanted).code == 2


def test_an_import_names_what_must_be_looked_at(greenlight: Greenlight, tmp_path: Path) -> None:
    file = tmp_path / "far.yaml"
    step = "{id: a, type: notify, name: Tell Ann, config: {to: [ann@agency.example], subject: Hello}}"
    file.write_text(f"name: Far\ndefinition:\n  schema: 1\n  steps:\n    - {step}\n")
    made = greenlight("workflow", "import", str(file), "--json")
    assert (made.code, made.json["enabled"]) == (0, True)
    assert "Look at: ann@agency.example (person), in Tell Ann" in made.err
    off = greenlight("workflow", "import", str(file), "--name", "Far, off", "--off", "--json")
    assert off.json["enabled"] is False
    refused = greenlight("workflow", "enable", "Far, off")
    assert (refused.code, "must be looked at first" in refused.err) == (1, True)
    file.write_text(
        "name: Two\ndefinition:\n  schema: 1\n  steps:\n"
        "    - {id: a, type: run_workflow, name: Then ads, config: {workflow: No such one}}\n"
    )
    lost = greenlight("workflow", "import", str(file), "--json")
    assert (lost.code, lost.json["enabled"]) == (0, False)
    into = greenlight("workflow", "import", str(file), "--into", made.json["id"], "--json")
    assert (into.code, into.json["enabled"], into.json["version"]) == (0, True, 2)
    assert [each.err.splitlines()[-1] for each in (lost, into)] == ["Look at: No such one (workflow), in Then ads"] * 2
