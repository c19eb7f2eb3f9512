"""Wrong passwords cost time: a growing wait for the account and for the address, never a lasting lock.

Kept in the database, so it holds without Redis. A try is counted before the password is looked at, so that many at once
gain nothing; a right one gives its count back. While one must wait, tries are refused and not counted.
"""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from ipaddress import IPv6Address, ip_address

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.orm import Session

from app.core.clock import now
from app.core.errors import GreenlightError
from app.features.accounts.models import Throttle

FORGOTTEN_AFTER = timedelta(hours=1)


class TooManyTries(GreenlightError):
    """Wait *wait_s* seconds before the next try."""

    status = 429
    code = "too_many_tries"

    def __init__(self, wait_s: int) -> None:
        super().__init__(f"Too many tries. The next one is possible in {_spoken(wait_s)}.")
        self.wait_s = wait_s


@dataclass(frozen=True, slots=True)
class Key:
    """What is counted: *free* tries cost nothing, then the wait doubles from 1 s up to *longest_s*."""

    name: str
    free: int
    longest_s: int

    def wait_s(self, failures: int) -> int:
        """Return the seconds to wait after so many tries."""
        return (
            0 if failures <= self.free else int(min(2 ** min(failures - self.free - 1, 20), self.longest_s))
        )


def keys(email: str, address: str) -> tuple[Key, Key]:
    """Return what a sign-in counts for: the account (known or not) and the address (an IPv6 one by its /64)."""
    account = hashlib.sha256(email.strip().lower().encode("utf-8", "replace")).hexdigest()
    return Key(f"account:{account}", free=4, longest_s=60), Key(
        f"address:{_network(address)}", free=20, longest_s=300
    )


def begin(session: Session, tried: Sequence[Key]) -> None:
    """Count a try for each key; raise :class:`TooManyTries`, uncounted, while one must wait. The caller commits."""
    moment = now()
    rows = [(key, _row(session, key.name, moment)) for key in sorted(tried, key=lambda key: key.name)]
    until = max((row.blocked_until for _, row in rows if row.blocked_until), default=moment)
    if until > moment:
        raise TooManyTries(max(1, round((until - moment).total_seconds())))
    for key, row in rows:
        before = 0 if moment - row.last_at > FORGOTTEN_AFTER else row.failures
        _set(row, key, before + 1, moment)


def succeed(session: Session, tried: Sequence[Key]) -> None:
    """Give the count back: the account starts anew, the address loses this one try. The caller commits."""
    account, address = tried
    session.execute(sa.delete(Throttle).where(Throttle.key == account.name))
    session.execute(sa.delete(Throttle).where(Throttle.last_at < now() - FORGOTTEN_AFTER * 24))
    row = session.get(Throttle, address.name)
    if row is not None:
        _set(row, address, max(0, row.failures - 1), row.last_at)


def _row(session: Session, name: str, moment: datetime) -> Throttle:
    """Return the row of *name*, locked, made when missing: two first tries at once must not collide."""
    insert = postgresql.insert if session.get_bind().dialect.name == "postgresql" else sqlite.insert
    session.execute(insert(Throttle).values(key=name, failures=0, last_at=moment).on_conflict_do_nothing())
    return session.get_one(Throttle, name, with_for_update=True)


def _set(row: Throttle, key: Key, failures: int, moment: datetime) -> None:
    wait_s = key.wait_s(failures)
    row.failures, row.last_at = failures, moment
    row.blocked_until = moment + timedelta(seconds=wait_s) if wait_s else None


def _network(address: str) -> str:
    try:
        parsed = ip_address(address)
    except ValueError:
        return "unknown"
    if isinstance(parsed, IPv6Address):
        if parsed.ipv4_mapped:
            return str(parsed.ipv4_mapped)
        return str(IPv6Address(int(parsed) >> 64 << 64))
    return str(parsed)


def _spoken(seconds: int) -> str:
    return f"{seconds}\u00a0s" if seconds < 60 else f"{-(-seconds // 60)}\u00a0min"
