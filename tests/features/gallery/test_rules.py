"""What counts as work."""

from app.features.gallery import rules


def test_waits_that_overlap_are_counted_once() -> None:
    assert rules.seconds_covered([(10, 20), (0, 5), (15, 30), (16, 17)]) == 25
    assert rules.seconds_covered([]) == 0


def test_reviews_behind_a_condition_count_once_together() -> None:
    def step(name: str, kind: str, *after: str) -> dict[str, object]:
        return {"id": name, "type": kind, "after": list(after)}

    either = [step("c", "condition"), step("a", "review", "c:yes"), step("b", "review", "c:no")]
    both = [step("a", "review"), step("b", "review", "a:approved")]
    assert rules.approvals_usual(either) == 1
    assert rules.approvals_usual(both) == 2
    assert rules.approvals_usual([step("t", "transform")]) == 0
