"""No page needs an exception from the content security policy: nothing inline in any template or script.

And what people read has one apostrophe.
"""

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FORBIDDEN = {
    "an inline script": re.compile(r"<script(?![^>]*\b(?:src=|type=[\"']application/json[\"']))", re.IGNORECASE),
    "an inline style": re.compile(r"\sstyle\s*=|<style\b", re.IGNORECASE),
    "an event handler": re.compile(r"\son[a-z]+\s*=\s*[\"']", re.IGNORECASE),
    "code for htmx to evaluate": re.compile(r"hx-on\b|hx-on:|hx-vars\b|[\"']\s*(?:js|javascript):|hx-trigger=[^>]*\["),
    "a foreign host": re.compile(r"<(?:script|link|img|use)\b[^>]*(?:src|href)=[\"'](?:https?:)?//", re.IGNORECASE),
}
MAIL_MAY = {"an inline style"}  # mail programs ignore style sheets
SCRIPT_FORBIDDEN = re.compile(
    r"\beval\(|new Function\(|\.innerHTML\s*=|document\.write|\.style\s*=|setAttribute\([\"']style"
)

STRAIGHT = re.compile(r"[\w}]'(?:s|t|re|ve|ll|d|m)\b")
NOT_READ = re.compile(r'"""[\s\S]*?"""|#[^\n"]*$', re.MULTILINE)  # docstrings and comments
STRING = re.compile(r'"(?:[^"\\\n]|\\.)*"')

TEMPLATES = sorted((ROOT / "templates").rglob("*.html"))
SCRIPTS = sorted((ROOT / "static" / "js").rglob("*.js"))


def name(path: Path) -> str:
    return str(path.relative_to(ROOT))


def faults_of(text: str, *, is_mail: bool = False) -> list[str]:
    """Return what a template has that it must not, with its line."""
    bare = re.sub(r"\{#.*?#\}", lambda comment: "\n" * comment[0].count("\n"), text, flags=re.DOTALL)
    return [
        f"line {bare.count(chr(10), 0, match.start()) + 1}: {what}"
        for what, pattern in FORBIDDEN.items()
        if not (is_mail and what in MAIL_MAY)
        for match in pattern.finditer(bare)
    ]


@pytest.mark.parametrize("path", TEMPLATES, ids=name)
def test_template_has_nothing_inline(path: Path) -> None:
    assert faults_of(path.read_text(), is_mail="emails" in path.parts) == []


@pytest.mark.parametrize("path", SCRIPTS, ids=name)
def test_script_writes_no_markup_and_no_style(path: Path) -> None:
    assert SCRIPT_FORBIDDEN.findall(path.read_text()) == []


def test_what_people_read_has_one_apostrophe() -> None:
    """It is ’, in templates as in strings; what :mod:`app.steps.testing` says is for developers."""
    templates = {name(path): re.sub(r"\{#.*?#\}", "", path.read_text(), flags=re.DOTALL) for path in TEMPLATES}
    strings = {
        name(path): "\n".join(STRING.findall(NOT_READ.sub("", path.read_text())))
        for path in (ROOT / "app").rglob("*.py")
        if path.name != "testing.py"
    }

    assert {file: STRAIGHT.findall(text) for file, text in (templates | strings).items() if STRAIGHT.search(text)} == {}


@pytest.mark.parametrize(
    "text",
    [
        "<script>go()</script>",
        '<p style="color: red">',
        "<style>p {}</style>",
        '<button onclick="go()">',
        '<button hx-on:click="go()">',
        '<a href="javascript:go()">',
        """<div hx-vals='js:{"a": 1}'>""",
        """<div hx-trigger="click[ctrlKey]">""",
        '<script src="https://cdn.example.com/x.js"></script>',
    ],
)
def test_rule_catches(text: str) -> None:
    assert len(faults_of(text)) == 1


@pytest.mark.parametrize(
    "text",
    [
        '<script src="/static/js/menu.js" defer></script>',
        '<div hx-trigger="every 2s" hx-target="this" hx-swap="outerHTML">',
        '<svg><use href="/static/vendor/icons.svg#check"></use></svg>',
        "{# style= is not for us #}",
        '<a href="https://example.com/help">',
    ],
)
def test_rule_lets_pass(text: str) -> None:
    assert faults_of(text) == []
