"""The front-end parts: what set-up copies, and a sprite with the icons that the source names."""

import json
import re
from pathlib import Path

import pytest

from app.cli import assets

ROOT = Path(__file__).resolve().parents[2]
ICON_USE = re.compile(r"""\bicon\(\s*["']([a-z0-9-]+)["']|\bicon\s*[:=]\s*["']([a-z0-9-]+)["']""")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A project with two icons to choose from and the parts that are copied."""
    modules = tmp_path / "node_modules"
    for source in assets.COPIES.values():
        write(modules / source, "content\n//# sourceMappingURL=x.map")
    for package in assets.LICENSED:
        about = {"version": "1.0", "license": "MIT", "author": "Somebody"}
        write(modules / package / "package.json", json.dumps(about))
    write(modules / "htmx.org" / "LICENSE", "the words of the licence")
    write(modules / assets.FONTS / "inter-latin-wght-normal.woff2", "font")
    write(modules / assets.FONTS / "inter-latin-opsz-italic.woff2", "another font")
    for icon in ("check", "photo-star", "bell"):
        write(modules / assets.ICONS / f"{icon}.svg", f'<svg class="x">\n  <path d="{icon}" />\n</svg>')
    return tmp_path


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def symbols(root: Path) -> list[str]:
    return assets.SYMBOL.findall((root / "static/vendor/icons.svg").read_text())


def test_parts_are_copied_with_their_licences(root: Path) -> None:
    assert assets.main(["--all", "--root", str(root)]) == 0

    vendor = root / "static" / "vendor"
    assert (vendor / "htmx.min.js").read_text() == "content\n"
    assert [path.name for path in (vendor / "files").iterdir()] == ["inter-latin-wght-normal.woff2"]
    assert "the words of the licence" in (vendor / "LICENSES.txt").read_text()


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ("templates/a.html", '{{ icon("photo-star") }}'),
        ("templates/a.html", "{{ chip('go', 'photo-star', 'Ready') }}"),
        ("app/steps/attach.py", 'icon = "photo-star"'),
        ("app/features/gallery/templates/ads.yaml", "slug: ads\nicon: photo-star\n"),
    ],
)
def test_sprite_holds_the_icons_that_the_source_names(root: Path, path: str, text: str) -> None:
    write(root / path, text)
    assets.main(["--all", "--root", str(root)])

    assert symbols(root) == ["photo-star"]


def test_sprite_gains_an_icon_at_the_next_start(root: Path) -> None:
    assets.main(["--all", "--root", str(root)])
    write(root / "templates/a.html", '{{ icon("check") }}<p class="bell">')
    assets.main(["--root", str(root)])

    assert symbols(root) == ["check"]


def test_sprite_stays_when_the_source_of_icons_is_gone(root: Path) -> None:
    write(root / "templates/a.html", '{{ icon("check") }}')
    assets.main(["--all", "--root", str(root)])
    (root / "node_modules").rename(root / "elsewhere")

    assert assets.main(["--root", str(root)]) == 0
    assert symbols(root) == ["check"]


def test_a_missing_part_is_one_sentence(root: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (root / "node_modules/htmx.org/dist/htmx.min.js").unlink()

    assert assets.main(["--all", "--root", str(root)]) == 1
    assert capsys.readouterr().err.endswith("htmx.min.js: No such file or directory\n")


def test_every_icon_named_here_exists() -> None:
    existing = set(assets.SYMBOL.findall((ROOT / "static/vendor/icons.svg").read_text()))
    paths = [*(ROOT / "templates").rglob("*.html"), *(ROOT / "app").rglob("*.py")]
    named = {
        (match[1] or match[2], str(path.relative_to(ROOT)))
        for path in paths
        for match in ICON_USE.finditer(path.read_text())
    }

    assert sorted(use for use in named if use[0] not in existing) == []
