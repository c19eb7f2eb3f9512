"""Which tests of a whole run go to the same process: those that share what takes long to make.

The plug-in's own marks (``xdist_group``) group nothing any more: it writes the group to where pytest 9 does not look.
"""

from xdist.scheduler import LoadScopeScheduling

_HOUSE = "house"
_PAYING_HOUSE = "paying house"
_TERMINAL = "house of the terminal"
TOGETHER = {
    "tests/cli/test_launching.py": _TERMINAL,
    "tests/cli/test_schedule.py": _TERMINAL,
    "tests/cli/test_workflow.py": _TERMINAL,
    "tests/docs/test_commands.py::test_runnable_command_runs": "instance",
    "tests/e2e/test_builder.py": _HOUSE,
    "tests/e2e/test_every_page.py::test_page[chromium-/runs": "pages of runs",
    "tests/e2e/test_every_page.py::test_page[chromium-/workflows": "pages of workflows",
    "tests/e2e/test_every_page.py": "pages",
    "tests/e2e/test_gallery.py": "gallery",
    "tests/e2e/test_keys.py": "keys",
    "tests/e2e/test_main_job.py::test_on_postgresql": _PAYING_HOUSE,
    "tests/e2e/test_main_job.py": _HOUSE,
    "tests/e2e/test_session.py": _HOUSE,
    "tests/e2e/test_shots.py": _HOUSE,
    "tests/e2e/test_versions.py": _PAYING_HOUSE,
    "tests/e2e/test_without_script.py": "without script",
}


class Together(LoadScopeScheduling):
    """Hands out the groups, the largest first, and then every other test by itself to whoever is free."""

    def _split_scope(self, nodeid: str) -> str:
        return next((group for start, group in TOGETHER.items() if nodeid.startswith(start)), nodeid)
