"""Binds features to the engine's ports and events, discovers the step types, lists the blueprints."""

from importlib import import_module
from typing import Any

from flask import Blueprint

from app.core import events, outbox
from app.core.settings import Settings

FEATURES = (
    "accounts", "ai", "files", "limits", "notifications", "workflows", "runs", "lifecycle", "gallery", "triggers",
    "approvals", "home",
)  # fmt: skip
WITH_PAGES = tuple(feature for feature in FEATURES if feature not in ("ai", "triggers"))
WITH_LISTENERS = ("runs", "approvals")


def connect(settings: Settings) -> None:
    """Bind everything that a process of ours needs; may be called again with other settings."""
    from app import steps
    from app.engine import catalog, control, jobs, limits, money, ports, retention
    from app.engine.events import RunsNotRemoved, RunsRemoved
    from app.features.ai import service as ai
    from app.features.approvals import listeners as approving
    from app.features.files import removal
    from app.features.files import service as files
    from app.features.lifecycle import service as lifecycle
    from app.features.limits import service as kept
    from app.features.notifications import service as notifications
    from app.features.runs import service as runs
    from app.features.triggers import jobs as triggers
    from app.features.triggers import service as schedules
    from app.features.workflows import queries as workflows

    for feature in FEATURES:
        _import(feature, "models")
    catalog.discover(steps)
    jobs.configure(settings)
    limits.configure(settings)
    money.configure(settings)
    ai.configure(settings)
    notifications.configure(settings)
    runs.configure(base_url=settings.public_url)
    outbox.channel("email", notifications.deliver)
    outbox.hold_tests(control.is_test)
    outbox.call_off(control.is_stopped)
    events.listen(outbox.Marked, control.note_message)
    events.listen(RunsRemoved, kept.note_removed)
    events.listen(RunsNotRemoved, kept.note_not_removed)
    retention.also("workflows", lifecycle.remove_old)
    retention.also("samples", lifecycle.remove_samples)
    retention.also("tested definitions", lifecycle.remove_tested)
    retention.also("due times", schedules.remove_old)
    ports.bind(
        load_definition=workflows.load_definition,
        write_text=ai.write_text,
        make_image=ai.make_image,
        estimate_text=ai.estimate_text,
        estimate_image=ai.estimate_image,
        create_document=files.create_document,
        read_documents=files.read_documents,
        attach=files.attach,
        prepare_image=files.prepare_image,
        store_image=files.store_image,
        notice=notifications.notice,
        remove_made_by=removal.remove_made_by,
        due_schedules=triggers.due_schedules,
        start_scheduled=triggers.start_scheduled,
    )
    approving.configure(base_url=settings.public_url)
    for feature in WITH_LISTENERS:
        import_module(f"app.features.{feature}.listeners").register()


def blueprints() -> list[Blueprint]:
    """Return the blueprint of every feature that has pages."""
    return [import_module(f"app.features.{feature}.views").blueprint for feature in WITH_PAGES]


def _import(feature: str, name: str) -> Any:
    try:
        return import_module(f"app.features.{feature}.{name}")
    except ModuleNotFoundError as error:
        if error.name != f"app.features.{feature}.{name}":
            raise
        return None
