"""A property that is worked out once an object."""

from threading import Event, Thread

from app.core.cached import cached_property


class Thing:
    def __init__(self, begun: Event, may_end: Event) -> None:
        self.begun, self.may_end, self.times = begun, may_end, 0

    @cached_property
    def size(self) -> int:
        """How large it is."""
        self.times += 1
        self.begun.set()
        assert self.may_end.wait(60)
        return self.times


def test_one_object_that_takes_long_holds_up_no_other() -> None:
    begun, may_end, at_once = Event(), Event(), Event()
    at_once.set()
    slow, fast = Thing(begun, may_end), Thing(Event(), at_once)
    thread = Thread(target=lambda: slow.size)
    thread.start()
    assert begun.wait(60)
    try:
        assert (fast.size, fast.size, fast.times) == (1, 1, 1)
    finally:
        may_end.set()
        thread.join()
    assert (slow.size, slow.times) == (1, 1)
    assert Thing.size.__doc__ == "How large it is."
