"""The cast and its runs."""

from tests.features.runs.conftest import cast, web_app, web_settings, yard

__all__ = ["cast", "web_app", "web_settings", "yard"]
