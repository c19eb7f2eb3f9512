"""The cast on an embedded database."""

from tests.web.conftest import cast, web_app, web_settings

__all__ = ["cast", "web_app", "web_settings"]
