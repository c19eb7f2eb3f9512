"""Roles and what the audit knows."""

from enum import StrEnum


class Role(StrEnum):
    """What a person is in a workspace, from most to least."""

    OWNER = "owner"
    EDITOR = "editor"
    APPROVER = "approver"


class Permission(StrEnum):
    """What an action needs; ``rules.py`` says which roles have it."""

    LAUNCH = "launch"  # start, pause, resume, stop runs
    APPROVE = "approve"  # decide what one is asked
    BUILD = "build"  # create and change workflows and templates
    MANAGE = "manage"  # people, settings, limits, outbox
    SEE = "see"  # read runs and documents of the workspace


class LinkKind(StrEnum):
    """What a one-time link is for."""

    SETUP = "setup"
    INVITE = "invite"
    RESET = "reset"
