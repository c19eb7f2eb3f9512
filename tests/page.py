"""Reads pages as tests see them: the faults every page must not have, its forms, its text."""

import re
from collections import Counter
from html.parser import HTMLParser

VOID = {"area", "base", "br", "col", "embed", "hr", "img", "input", "link", "meta", "source", "track", "wbr"}
LABELLED = {"input", "select", "textarea"}
UNLABELLED_TYPES = {"hidden", "submit", "button", "reset", "image"}


class Page(HTMLParser):
    """A parsed page or fragment; ``faults`` names what is wrong with it."""

    def __init__(self, html: str) -> None:
        super().__init__(convert_charrefs=True)
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.texts: list[str] = []
        self._open: list[str] = []
        self._faults: list[str] = []
        self._labels: list[int] = []
        self._in_label: set[int] = set()
        self.feed(html)
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = {name: value or "" for name, value in attrs}
        if len(given) < len(attrs):
            self._faults.append(f"<{tag}> names an attribute twice")
        if "label" in self._open:
            self._in_label.add(len(self.tags))
        self.tags.append((tag, given))
        if tag not in VOID:
            self._open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))

    def handle_endtag(self, tag: str) -> None:
        if not self._open or self._open[-1] != tag:
            self._faults.append(f"</{tag}> closes <{self._open[-1] if self._open else 'nothing'}>")
            while tag in self._open and self._open.pop() != tag:
                pass
            return
        self._open.pop()

    def handle_data(self, data: str) -> None:
        if not {"script", "style"} & set(self._open):
            self.texts.append(data)

    @property
    def text(self) -> str:
        """The page's words, one space between."""
        return " ".join(" ".join(self.texts).split())

    @property
    def faults(self) -> list[str]:
        """What is wrong: nesting, doubled ids, inline code, fields without a label, pictures without words."""
        found = [*self._faults, *(f"<{tag}> is not closed" for tag in self._open)]
        ids = Counter(attrs["id"] for _, attrs in self.tags if attrs.get("id"))
        found += [f"id {name} stands {times} times" for name, times in ids.items() if times > 1]
        fors = {attrs["for"] for tag, attrs in self.tags if tag == "label" and "for" in attrs}
        for index, (tag, attrs) in enumerate(self.tags):
            found += self._faults_of(tag, attrs, index in self._in_label or attrs.get("id") in fors)
        return found

    def _faults_of(self, tag: str, attrs: dict[str, str], is_labelled: bool) -> list[str]:
        found = [f"<{tag} {name}=…>" for name in attrs if name == "style" or name.startswith(("on", "hx-on"))]
        if tag == "style" or (tag == "script" and "src" not in attrs):
            found.append(f"inline <{tag}>")
        is_told = attrs.get("aria-hidden") != "true"
        is_named = not is_told or is_labelled or bool({"aria-label", "aria-labelledby"} & set(attrs))
        if tag in LABELLED and attrs.get("type") not in UNLABELLED_TYPES and not is_named:
            found.append(f"<{tag} name={attrs.get('name')}> has no label")
        if tag == "img" and "alt" not in attrs:
            found.append(f"<img src={attrs.get('src')}> has no alt")
        if any(value.lower().startswith("javascript:") for value in attrs.values()):
            found.append(f"<{tag}> with javascript:")
        if {"hx-get", "hx-post", "hx-put", "hx-delete"} & set(attrs) and "hx-target" not in attrs:
            found.append(f"<{tag}> asks without hx-target")
        return found

    def attributes(self, tag: str) -> list[dict[str, str]]:
        """Return the attributes of every such tag."""
        return [attrs for name, attrs in self.tags if name == tag]

    def fields(self) -> dict[str, str]:
        """Return name and value of every hidden and text field."""
        return {
            attrs["name"]: attrs.get("value", "") for attrs in self.attributes("input") if "name" in attrs
        }


def token(html: str) -> str:
    """Return the form token of a page."""
    match = re.search(r'name="csrf_token"[^>]*value="([^"]+)"', html)
    assert match, "the page has no form token"
    return match[1]
