"""YAML as people write it: plain data, in and out."""

import pytest

from app.core import yaml


def test_question_mark_in_a_flow_mapping_is_text() -> None:
    data = yaml.load("inputs:\n  - {key: offer, label: What is the offer?, type: long_text}\n")
    assert data == {"inputs": [{"key": "offer", "label": "What is the offer?", "type": "long_text"}]}


def test_words_and_dates_stay_what_was_written() -> None:
    assert yaml.load("a: yes\nb: 2026-11-30\nc: 1.5\nd: true\ne: null\n") == {
        "a": "yes",
        "b": "2026-11-30",
        "c": 1.5,
        "d": True,
        "e": None,
    }


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("a: 1\na: 2\n", 2),
        ("a: &x 1\nb: *x\n", 2),
        ("a: [1, 2\n", 0),
        ("a: !!python/object:os.system 1\n", 1),
        ("\x00", 0),
        ("a: " + "9" * 5000, 0),
    ],
)
def test_what_is_not_plain_is_refused_with_its_place(text: str, line: int) -> None:
    with pytest.raises(yaml.YamlInvalid) as invalid:
        yaml.load(text)
    assert invalid.value.why
    assert "sys." not in invalid.value.why
    if line:
        assert invalid.value.line == line


def test_deep_nesting_is_refused_without_a_crash() -> None:
    with pytest.raises(yaml.YamlInvalid):
        yaml.load("[" * 5000)


def test_what_is_written_reads_the_same() -> None:
    data = {
        "b": [1, {"c": "What?"}],
        "a": "yes",
        "t": "two\nlines",
        "n": None,
        "d": "2026-11-30",
        "e": "✓ “x”",
    }
    assert yaml.load(yaml.dump(data)) == data
    assert yaml.dump(data).index("b:") < yaml.dump(data).index("a:")


@pytest.mark.parametrize("name", ["NaN", "Infinity", "-Infinity"])
def test_json_that_holds_no_number_is_refused_where_it_stands(name: str) -> None:
    with pytest.raises(yaml.YamlInvalid, match="is not a number that JSON knows") as invalid:
        yaml.load('{"title": "NaN and Infinity",\n "count": ' + name + "}")
    assert (invalid.value.line, invalid.value.column) == (2, 11)
    assert yaml.load('{"count": "NaN"}') == {"count": "NaN"}
