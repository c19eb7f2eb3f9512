"""The page toolkit: htmx, forms, filters, navigation, errors, security headers. It knows no domain."""

from flask import Flask

from app.core.settings import Settings


def init_app(app: Flask, settings: Settings) -> None:
    """Put the toolkit into the application."""
