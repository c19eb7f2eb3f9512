"""The documentation is true: generated pages are as the program makes them, and what pages name exists."""

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import fields
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

from app import create_app, steps
from app.core import yaml
from app.core.settings import Settings, variable
from app.definition.schema import check
from app.engine import catalog

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"(?<!\\)\]\((?P<to>[^)\s]+)\)")
CODE = re.compile(r"`(?P<code>[^`\n]+)`")
FENCE = re.compile(r"^```.*?^```", re.DOTALL | re.MULTILINE)
HEADING = re.compile(r"^#+ (?P<words>.+)$", re.MULTILINE)

PARTS = ("app", "bin", "docs", "migrations", "ops", "static", "templates", "tests")
VARIABLE = re.compile(r"[A-Z][A-Z0-9]*(?:_[A-Z0-9]+)+|PORT|SERVE|HOST|DYNO")
OUTSIDE = {"Retry-After", "X-Forwarded-For", "LEAST", "GREENLIGHT_SETUP"}  # no setting of the application
MADE_BY_READER = {"my_package.count_words:STEP", "app.steps.count_words"}  # the step of the guide
FOREIGN_FOLDERS = ("/etc/", "/srv/", "/var/", "/usr/")


def _id(page: Path) -> str:
    return str(page.relative_to(ROOT))


each_page = pytest.mark.parametrize("doc", PAGES, ids=_id)


def codes(text: str) -> Iterator[str]:
    """Yield what stands between backticks outside of fenced blocks."""
    yield from (found["code"] for found in CODE.finditer(FENCE.sub("", text)))


# --- generated pages ---


@pytest.mark.parametrize("name", ["settings", "steps"])
def test_generated_page_is_as_the_program_makes_it(name: str) -> None:
    made = _docs(name)

    assert (ROOT / "docs" / f"{name}.md").read_text() == made, (
        f"run: bin/greenlight docs {name} > docs/{name}.md"
    )


def test_settings_page_has_every_setting_once() -> None:
    page = (ROOT / "docs" / "settings.md").read_text()

    named = re.findall(r"^\| `([A-Z0-9_]+)`", page, re.MULTILINE)

    assert named == [variable(spec.name) for spec in fields(Settings)]


def test_steps_page_has_every_step_type_and_each_of_its_settings() -> None:
    page = (ROOT / "docs" / "steps.md").read_text()

    for step in json.loads(_docs("steps", "--json"))["items"]:
        _, _, rest = page.partition(f"### {step['label']}: `{step['type']}`\n")
        section = rest.partition("\n### ")[0]
        assert step["description"] in section
        for setting in step["config"].get("properties", {}):
            assert f"| `{setting}` |" in section, f"{step['type']}: {setting}"


@cache
def _docs(*words: str) -> str:
    done = subprocess.run(
        ["bin/greenlight", "docs", *words], cwd=ROOT, text=True, capture_output=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


# --- what pages point to ---


@each_page
def test_every_link_leads_somewhere(doc: Path) -> None:
    missing = [to for to in _links(doc.read_text()) if not _is_there(doc, to)]

    assert missing == []


def test_every_page_can_be_reached_from_the_readme() -> None:
    seen, left = set(), [ROOT / "README.md"]
    while left:
        page = left.pop()
        if page in seen or page.suffix != ".md" or not page.exists():
            continue
        seen.add(page)
        left += [(page.parent / to.partition("#")[0]).resolve() for to in _links(page.read_text())]

    assert [_id(page) for page in PAGES if page not in seen] == []


def _links(text: str) -> list[str]:
    found = [link["to"] for link in LINK.finditer(FENCE.sub("", text))]
    return [to for to in found if not to.startswith(("http://", "https://", "mailto:"))]


def _is_there(page: Path, to: str) -> bool:
    path, _, place = to.partition("#")
    target = (page.parent / path).resolve() if path else page
    if not target.exists():
        return False
    return not place or place in {_anchor(found["words"]) for found in HEADING.finditer(target.read_text())}


def _anchor(heading: str) -> str:
    return re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")


# --- examples ---


def test_the_step_of_the_guide_keeps_the_contract(monkeypatch: pytest.MonkeyPatch) -> None:
    step, tests = _blocks(ROOT / "docs" / "guides" / "writing-a-step.md", "python")
    module = ModuleType("app.steps.count_words")
    monkeypatch.setitem(sys.modules, module.__name__, module)
    exec(step, module.__dict__)
    space: dict[str, Any] = {}

    exec(tests, space)

    for name in ("test_words_are_counted", "test_the_contract_is_kept"):
        space[name]()


def test_the_definition_of_the_concepts_is_right() -> None:
    [text] = _blocks(ROOT / "docs" / "concepts.md", "yaml")
    catalog.discover(steps)

    assert check(yaml.load(text), catalog.facts()) == []


def _blocks(doc: Path, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", doc.read_text(), re.DOTALL | re.MULTILINE)


# --- what pages name ---


@each_page
def test_every_file_that_is_named_exists(doc: Path) -> None:
    assert [name for name in _paths(doc.read_text()) if not (ROOT / name).exists()] == []


@each_page
def test_every_module_and_function_that_is_named_exists(doc: Path) -> None:
    named = [
        code
        for code in codes(doc.read_text())
        if re.fullmatch(r"app(\.\w+)+", code) and not (ROOT / code).exists()
    ]

    assert [name for name in named if name not in MADE_BY_READER and not _imports(name)] == []


@each_page
def test_every_setting_that_is_named_exists(doc: Path) -> None:
    settings = {variable(spec.name) for spec in fields(Settings)} | OUTSIDE

    named = {code.partition("=")[0] for code in codes(doc.read_text())}

    assert {name for name in named if VARIABLE.fullmatch(name)} - settings == set()


@each_page
def test_every_address_that_is_named_exists(doc: Path, routes: set[str]) -> None:
    named = {code for code in codes(doc.read_text()) if code.startswith("/")}

    assert {name for name in named if not name.startswith(FOREIGN_FOLDERS)} - routes == set()


@each_page
def test_one_word_a_thing(doc: Path) -> None:
    words = FENCE.sub("", doc.read_text()).lower()

    assert re.findall(r"\b(?:executions?|executes?|executed|nodes|payloads?)\b", words) == []


def test_the_promise_stands_word_for_word() -> None:
    promise = (
        "Every step's result is recorded exactly once. A step's outward action happens at least once; if a crash "
        "forces a repeat it carries the same key, and where the other side knows no keys Greenlight stops and asks you "
        "instead of guessing."
    )

    assert promise in (ROOT / "docs" / "architecture.md").read_text()


def test_the_house_of_the_architecture_is_the_house() -> None:
    page = (ROOT / "docs" / "architecture.md").read_text()
    floors = set(re.findall(r"^\| `app/(\w+)/?(?:\.py)?` \|", page, re.MULTILINE))
    rows = {
        word
        for line in re.search(r"```text\n(.*?)```", page, re.DOTALL)[1].splitlines()
        for word in line.split(" · ")
    }

    assert floors == {path.stem for path in (ROOT / "app").iterdir() if not path.name.startswith(("_", "."))}
    assert rows == {path.parent.name for path in (ROOT / "app" / "features").glob("*/__init__.py")}


@pytest.fixture(scope="module")
def routes() -> set[str]:
    app = create_app(Settings.from_env({"GREENLIGHT_ENV": "test", "SECRET_KEY": "-"}))
    return {rule.rule for rule in app.url_map.iter_rules()}


def _paths(text: str) -> list[str]:
    """Return what looks like a path of the repository: it begins with one of its folders."""
    found = (code.split(" ")[0] for code in codes(text))
    return [name for name in found if name.partition("/")[0] in PARTS and "/" in name]


def _imports(name: str) -> bool:
    module, _, attribute = name.rpartition(".")
    try:
        import_module(name)
    except ModuleNotFoundError:
        return hasattr(import_module(module), attribute)
    return True
