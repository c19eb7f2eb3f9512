"""Where two plain values differ."""

import pytest

from app.definition.shape import is_same, places


@pytest.mark.parametrize(
    ("old", "new", "where"),
    [
        ({"a": {"b": [1, 2]}, "c": 3}, {"c": 3, "a": {"b": [1, 2]}}, set()),  # in another order
        ({"a": {"b": [1, 2]}, "c": 3}, {"a": {"b": [1, 5]}, "c": 3}, {"/a/b/1"}),
        ({"a": [1]}, {"a": [True]}, {"/a/0"}),
        ({"a": 1}, {"a": 1.0}, {"/a"}),
        ({"a": [1]}, {"a": [1, 2]}, {"/a"}),
        ({"a": "1"}, {}, {"/a"}),
        ([{"a/b": None}], [{"a/b": {}}], {"/0/a~1b"}),
    ],
)
def test_two_values_differ_at_the_innermost_places(old: object, new: object, where: set[str]) -> None:
    assert places(old, new) == where
    assert is_same(old, new) == (not where)
