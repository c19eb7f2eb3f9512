"""The supervisor's loop: starts children, starts dead ones again, ends all of them within 30 seconds of a SIGTERM."""

import os
import select
import signal
import time
from collections.abc import Callable, Sequence
from contextlib import suppress

import structlog

from app.core import vitals
from app.supervisor import forks
from app.supervisor.child import Child
from app.supervisor.pulse import Pulse
from app.supervisor.ward import Asked, Ward

BACK_OFF_S = (0.0, 1.0, 2.0, 4.0, 8.0, 16.0, 30.0)
HEALTHY_AFTER_S = 60.0  # lived this long: the next death counts as the first
WEB_DEATHS = 5  # in HEALTHY_AFTER_S: then the whole dyno had better start anew
GRACE_S = 25.0  # of the 30 s that a host gives between SIGTERM and SIGKILL
LAST_S = 2.0  # for those that end last, and for a janitor at the end
JANITOR_S = 20.0
DOUBTS, DOUBT_S = 10, 1.0  # looks at a pulse that has stopped, and the time between two: all may just have been asleep

_log = structlog.get_logger(__name__)


class Supervisor:
    """Keeps *children* alive until SIGTERM, SIGINT or SIGHUP. One that runs already (it has a pid) is taken over.

    What children ask to have done alone is done in the *ward*.
    """

    def __init__(self, children: Sequence[Child], ward: Ward | None = None) -> None:
        self._children = list(children)
        self._ward = ward
        self._janitors: dict[int, float] = {}
        self._ends_at: float | None = None
        self._code = 0
        self._signals = os.pipe()
        for end in self._signals:
            os.set_blocking(end, False)

    def run(self) -> int:
        """Start everything and stay until all of it has ended; return the exit code. SIGTERM: in 30 s."""
        self._take_signals()
        for child in self._children:
            if child.pid is None:
                child.launch()
        self._reap()  # one taken over may have died before we listened
        while self._is_busy():
            self._tell()
            self._wait()
            self._read_signals()
            self._reap()
            self._kill_the_late()
            self._kill_the_hung()
            self._start_the_due()
            if self._ward is not None and self._ends_at is None:
                self._ward.admit()
        self._end_the_last()
        return self._code

    def _tell(self) -> None:
        """Let the children know who was started again how often, and who is dead at the moment."""
        lasting = [child for child in self._children if not child.once]
        vitals.write(
            {child.name: {"alive": child.pid is not None, "deaths": child.total_deaths} for child in lasting}
        )

    # --- what wakes it ---

    def _take_signals(self) -> None:
        for number in forks.OWN_SIGNALS:
            if number == signal.SIGHUP and signal.getsignal(number) == signal.SIG_IGN:
                continue  # started by nohup
            signal.signal(number, lambda *_: None)  # the wake-up pipe tells which
        signal.set_wakeup_fd(self._signals[1], warn_on_full_buffer=False)

    def _wait(self) -> None:
        now = time.monotonic()
        moments = [child.start_at for child in self._children if child.start_at is not None]
        moments += [max(pulse.stops_at, child.doubted_at + DOUBT_S) for child, pulse in self._pulses()]
        moments += list(self._janitors.values())
        if self._ends_at is not None:
            moments.append(self._ends_at)
        timeout = max(0.0, min(moments) - now) if moments else None
        with suppress(InterruptedError):
            heard: list[int | Asked] = [self._signals[0]]
            if self._ward is not None and self._ends_at is None:
                heard.append(self._ward.asked)
            select.select(heard, [], [], timeout)

    def _read_signals(self) -> None:
        with suppress(BlockingIOError):
            while numbers := os.read(self._signals[0], 64):
                for number in numbers:
                    if number in (signal.SIGTERM, signal.SIGINT, signal.SIGHUP):
                        self._stop()

    # --- stopping ---

    def _stop(self) -> None:
        if self._ends_at is not None:
            return  # a second signal changes nothing
        _log.info("stopping")
        forks.stop_listening()
        self._ends_at = time.monotonic() + GRACE_S
        for child in self._children:
            child.start_at = None
            if not child.ends_last:
                child.signal(signal.SIGTERM)
        if self._ward is not None:
            self._ward.close()

    def _kill_the_late(self) -> None:
        now = time.monotonic()
        for pid in [pid for pid, until in self._janitors.items() if until <= now]:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
            self._janitors[pid] = now + LAST_S
        if self._ends_at is None or now < self._ends_at:
            return
        for child in self._children:
            if child.pid is not None and not child.ends_last:
                _log.warning("killed: it had not ended in time", child=child.name, after_s=GRACE_S)
                child.was_killed = True
                child.signal(signal.SIGKILL)
        if self._ward is not None:
            self._ward.kill()
        self._ends_at = now + LAST_S

    def _kill_the_hung(self) -> None:
        """Kill who gives no sign of life.

        Looks are counted, not seconds: when a machine has slept, all pulses have stopped, and the first look may come
        before anybody had time to give a sign.
        """
        for child, pulse in self._pulses():
            now = time.monotonic()
            if pulse.stops_at > now:
                child.doubts = 0
            elif now >= child.doubted_at + DOUBT_S:
                child.doubts, child.doubted_at = child.doubts + 1, now
            if child.doubts > DOUBTS:
                _log.error("killed: it gave no sign of life", child=child.name, after_s=pulse.limit_s)
                child.signal(signal.SIGKILL)
                child.doubts = 0
                pulse.beat()  # once is enough: its death comes by itself

    def _pulses(self) -> list[tuple[Child, Pulse]]:
        alone = self._ward.children if self._ward is not None else []
        return [(child, child.pulse) for child in [*self._children, *alone] if child.pid is not None and child.pulse]

    def _is_busy(self) -> bool:
        if self._ends_at is None:
            return True
        is_ward_busy = self._ward is not None and not self._ward.is_empty
        return is_ward_busy or bool(self._janitors) or any(
            child.pid is not None for child in self._children if not child.ends_last
        )

    def _end_the_last(self) -> None:
        for child in self._children:
            child.signal(signal.SIGTERM)
        until = time.monotonic() + LAST_S
        while any(child.pid is not None for child in self._children):
            left = until - time.monotonic()
            if left <= 0:
                for child in self._children:
                    child.signal(signal.SIGKILL)
            select.select([self._signals[0]], [], [], max(left, 0.01))
            with suppress(BlockingIOError):
                os.read(self._signals[0], 64)
            self._reap()
        signal.set_wakeup_fd(-1)

    # --- deaths and starts ---

    def _reap(self) -> None:
        with suppress(ChildProcessError):
            while True:
                pid, status = os.waitpid(-1, os.WNOHANG)
                if pid == 0:
                    return
                code = os.waitstatus_to_exitcode(status)
                if self._janitors.pop(pid, None) is not None:
                    continue
                if self._ward is not None and (owner := self._ward.bury(pid)) is not None:
                    self._leave_ward(self._ward, owner, code)
                for child in self._children:
                    if child.pid == pid:
                        self._bury(child, code)

    def _leave_ward(self, ward: Ward, owner: str, code: int) -> None:
        """Tidy up after a step that took its process with it; one that we ended ourselves costs a lease, no count."""
        if code and self._ends_at is None:
            _log.warning("died in quarantine", owner=owner, exit_code=code)
            self._send_janitor(ward.tidy, owner)

    def _bury(self, child: Child, code: int) -> None:
        child.pid, lived_s = None, time.monotonic() - child.started_at
        if child.tidy is not None and (self._ends_at is None or child.was_killed):
            self._send_janitor(child.tidy, child.owner)
        if self._ends_at is not None:
            return
        if child.once:
            if code:
                _log.error("ended with an error", child=child.name, exit_code=code)
            return
        child.total_deaths += 1
        child.in_a_row = 0 if lived_s >= HEALTHY_AFTER_S else child.in_a_row + 1
        now = time.monotonic()
        child.deaths = [moment for moment in child.deaths if now - moment < HEALTHY_AFTER_S] + [now]
        if child.is_vital and len(child.deaths) >= WEB_DEATHS:
            _log.error(
                "it keeps dying, so all ends", child=child.name, deaths=len(child.deaths), exit_code=code
            )
            self._code = 1
            self._stop()
            return
        wait_s = BACK_OFF_S[min(max(child.in_a_row - 1, 0), len(BACK_OFF_S) - 1)]
        _log.warning("died, starting it again", child=child.name, exit_code=code, in_s=wait_s)
        child.start_at = now + wait_s

    def _send_janitor(self, tidy: Callable[[str], int | None], owner: str) -> None:
        limit_s = JANITOR_S if self._ends_at is None else LAST_S
        try:
            self._janitors[forks.fork(lambda: tidy(owner))] = time.monotonic() + limit_s
        except OSError as error:  # it costs a lease, no more
            _log.error("no room for a janitor", owner=owner, error=repr(error))

    def _start_the_due(self) -> None:
        now = time.monotonic()
        for child in self._children:
            if self._ends_at is None and child.start_at is not None and child.start_at <= now:
                child.launch()
