"""Health and readiness endpoints."""

from flask import Flask

from app.ops import health


def init_app(app: Flask) -> None:
    """Put the endpoints into the application."""
    app.register_blueprint(health.blueprint)
