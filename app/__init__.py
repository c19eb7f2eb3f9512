"""Greenlight: AI workflows for marketing and dealership teams.

The house, from the ground up; imports only go down, and a machine checks it (``pyproject.toml``):

========== ==========================================================================
core       tools without domain: settings, database, clock, ids, errors, queue, outbox
definition what a workflow is: schema, graph, conditions, values, places in the diagram
engine     how a run survives: planner, store, runner, control, recovery
steps      what a step does: one file a type
web        the page toolkit, no domain
features   who uses it, ordered: accounts < ai, files, notifications < workflows < runs < gallery, approvals < home
ops        health and readiness
cli        the command line
wiring     binds features to the engine's ports and events
supervisor the single dyno: forks web, worker and clock
========== ==========================================================================

``create_app()`` goes settings → extensions → wiring → blueprints.
"""

from collections.abc import Callable
from typing import Any

from flask import Flask

from app.core.settings import ROOT, Settings


class Greenlight(Flask):
    """Flask, told that no view of ours is a coroutine: it would look at every function of every request."""

    def dispatch_request(self) -> Any:
        """Answer the request, again where it met another in the database."""
        from app.web.repeats import repeated

        return repeated(super().dispatch_request)

    def ensure_sync(self, func: Callable[..., Any]) -> Callable[..., Any]:
        """Return *func* as it is."""
        return func


def create_app(settings: Settings | None = None) -> Flask:
    """Return the web application; opens no connection and starts no thread."""
    from app import ops, web, wiring
    from app.core import crypto, logging
    from app.core.db import db, web_pool

    settings = settings or Settings.from_env()
    logging.configure(settings)
    crypto.configure(settings.secret_keys)
    app = Greenlight("greenlight", root_path=str(ROOT), template_folder="templates", static_folder="static")
    app.config.update(
        SETTINGS=settings,
        ENV_NAME=settings.environment,
        SECRET_KEY=settings.secret_key,
        SECRET_KEY_FALLBACKS=list(settings.secret_keys[1:]),
        SQLALCHEMY_DATABASE_URI=settings.sqlalchemy_url,
        SQLALCHEMY_BINDS={"reading": settings.sqlalchemy_url} if settings.is_sqlite else {},
        DATABASE_POOL=web_pool(settings.servers),
    )
    db.init_app(app)
    wiring.connect(settings)
    web.init_app(app, settings)
    ops.init_app(app)
    for blueprint in wiring.blueprints():
        app.register_blueprint(blueprint)
    return app
