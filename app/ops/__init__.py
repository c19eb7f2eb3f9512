"""Health and readiness endpoints."""

from flask import Flask


def init_app(app: Flask) -> None:
    """Put the endpoints into the application."""
