"""Who may do what, how long a session lives, where a sign-in may lead."""

from datetime import timedelta
from urllib.parse import urlsplit

from app.features.accounts.enums import Permission, Role

PERMISSIONS: dict[Role, frozenset[Permission]] = {
    Role.OWNER: frozenset(Permission),
    Role.EDITOR: frozenset({Permission.SEE, Permission.LAUNCH, Permission.APPROVE, Permission.BUILD}),
    Role.APPROVER: frozenset({Permission.SEE, Permission.APPROVE}),
}
ROLE_WORDS = {Role.OWNER: "Owner", Role.EDITOR: "Editor", Role.APPROVER: "Approver"}
DOING = {
    Permission.LAUNCH: "start and stop runs",
    Permission.APPROVE: "decide approvals",
    Permission.BUILD: "change workflows",
    Permission.MANAGE: "manage people and settings",
    Permission.SEE: "see this",
}

IDLE = timedelta(hours=12)
ABSOLUTE = timedelta(days=14)
TOUCH_EVERY = timedelta(minutes=5)
SETUP_LIFE = timedelta(hours=24)
THEMES = ("", "light", "dark")

_MAX_NEXT = 2000
_NO_WAY_BACK = ("/sign-in", "/sign-out", "/setup/", "/a/")


def may(role: Role, permission: str) -> bool:
    """Tell whether *role* has *permission*."""
    return permission in PERMISSIONS[role]


def safe_next(address: str | None) -> str:
    """Return *address* when it is a path of our own, else ``/``.

    No scheme, no host, no ``//``, no backslash, no character that browsers drop, no page that would end the session.
    """
    if not address or len(address) > _MAX_NEXT or not address.startswith("/") or address.startswith("//"):
        return "/"
    if "\\" in address or any(ord(mark) < 0x21 or ord(mark) == 0x7F for mark in address):
        return "/"
    try:
        parts = urlsplit(address)
    except ValueError:
        return "/"
    if parts.scheme or parts.netloc or "//" in parts.path or parts.path.startswith(_NO_WAY_BACK):
        return "/"
    return address
