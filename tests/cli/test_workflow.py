"""Workflows in and out of files, and runs of them."""

import io
import json
from pathlib import Path

import pytest

from tests.cli.conftest import Greenlight

pytestmark = pytest.mark.xdist_group("house of the terminal")


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
