"""The cast on an embedded database, and an engine on each."""

from tests.engine.conftest import house, sink
from tests.web.conftest import cast, web_app, web_settings

__all__ = ["cast", "house", "sink", "web_app", "web_settings"]
