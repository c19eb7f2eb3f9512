"""Fill ``static/vendor`` from ``node_modules``: style, scripts, font, one sprite of the icons in use, licences.

Run by ``bin/setup`` as a plain script before any library is there, so it knows the standard library only.
Nothing here is in git: ``package-lock.json`` pins what is copied, the source names the icons.
"""

import argparse
import json
import re
import sys
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

COPIES = {
    "htmx.min.js": "htmx.org/dist/htmx.min.js",
    "tabler.min.css": "@tabler/core/dist/css/tabler.min.css",
    "tabler.min.js": "@tabler/core/dist/js/tabler.min.js",
    "inter.css": "@fontsource-variable/inter/index.css",
}
FONTS = "@fontsource-variable/inter/files"
ICONS = "@tabler/icons/icons/outline"
LICENSED = ("htmx.org", "@tabler/core", "@tabler/icons", "@fontsource-variable/inter")

# Where an icon may be named, and the two ways: a quoted word that is not another attribute's value, or YAML's `icon:`.
SOURCES = (("app", "*.py"), ("app", "*.yaml"), ("templates", "*.html"), ("static/js", "*.js"))
QUOTED = re.compile(
    r"""(?<!\bclass=)(?<!\btype=)(?<!\bname=)(?<!\bid=)(?<!\brel=)(?<!\brole=)(?<!\bfor=)["']([a-z][a-z0-9-]*)["']"""
)
YAML_ICON = re.compile(r"""^\s*(?:- )?icon:\s*([a-z][a-z0-9-]*)\s*$""", re.MULTILINE)

SOURCE_MAP = re.compile(r"\n?/[/*]# sourceMappingURL=[^\n]*\s*$")
INNER = re.compile(r"<svg\b[^>]*>(.*)</svg>", re.DOTALL)
FRAME = re.compile(r"""<path stroke="none" d="M0 0h24v24H0z" fill="none" ?/>""")
SYMBOL = re.compile(r'<symbol id="([^"]+)"')


def main(arguments: list[str] | None = None) -> int:
    """Bring ``static/vendor`` up to date; ``--all`` copies everything, else only the sprite is looked at.

    Returns the exit code: 1, with a sentence on stderr, when a file cannot be read or written. May run twice.
    """
    parser = argparse.ArgumentParser(description="Fill static/vendor from node_modules.")
    parser.add_argument("--all", action="store_true", help="copy everything, not only icons that are new")
    parser.add_argument("--root", type=Path, default=ROOT, help="the project’s folder")
    options = parser.parse_args(arguments)
    modules, vendor = options.root / "node_modules", options.root / "static" / "vendor"
    try:
        if options.all:
            copy_parts(modules, vendor)
        write_sprite(options.root, modules / ICONS, vendor / "icons.svg")
    except OSError as error:
        print(f"{error.filename}: {error.strerror}", file=sys.stderr)
        return 1
    return 0


def copy_parts(modules: Path, vendor: Path) -> None:
    """Copy the dist files, the font's subsets and the licences; a file's source map is not copied nor named."""
    (vendor / "files").mkdir(parents=True, exist_ok=True)
    for name, source in COPIES.items():
        text = (modules / source).read_text("utf-8")
        (vendor / name).write_text(SOURCE_MAP.sub("\n", text), "utf-8")
    for font in sorted((modules / FONTS).glob("*-wght-normal.woff2")):
        (vendor / "files" / font.name).write_bytes(font.read_bytes())
    (vendor / "LICENSES.txt").write_text("\n\n".join(_licenses(modules)) + "\n", "utf-8")


def write_sprite(root: Path, icons: Path, sprite: Path) -> None:
    """Write one SVG with a ``<symbol>`` an icon named in the source; left alone when it has just these.

    Without ``node_modules`` (a deployed copy) an existing sprite stays as it is.
    """
    if not icons.is_dir() and sprite.is_file():
        return
    names = sorted(icons_in_use(root, icons))
    if sprite.is_file() and SYMBOL.findall(sprite.read_text("utf-8")) == names:
        return
    symbols = (_symbol(name, (icons / f"{name}.svg").read_text("utf-8")) for name in names)
    sprite.write_text('<svg xmlns="http://www.w3.org/2000/svg">\n' + "\n".join(symbols) + "\n</svg>\n", "utf-8")


def icons_in_use(root: Path, icons: Path) -> set[str]:
    """Return the names of existing icons that the source mentions; a few mere words are among them."""
    existing = {path.stem for path in icons.glob("*.svg")}
    return existing.intersection(_mentions(root))


def _mentions(root: Path) -> Iterator[str]:
    for folder, pattern in SOURCES:
        for path in (root / folder).rglob(pattern):
            text = path.read_text("utf-8")
            yield from (YAML_ICON if path.suffix == ".yaml" else QUOTED).findall(text)


def _symbol(name: str, svg: str) -> str:
    inner = INNER.search(svg)
    if inner is None:
        raise OSError(0, "is not an SVG picture", f"{name}.svg")
    paths = " ".join(FRAME.sub("", inner[1]).split())
    return f'<symbol id="{name}" viewBox="0 0 24 24">{paths}</symbol>'


def _licenses(modules: Path) -> Iterable[str]:
    for package in LICENSED:
        about = json.loads((modules / package / "package.json").read_text("utf-8"))
        title = f"{package} {about['version']} ({about['license']})"
        text = modules / package / "LICENSE"
        body = text.read_text("utf-8") if text.is_file() else f"Copyright: {about.get('author', package)}"
        yield f"{title}\n{'=' * len(title)}\n\n{body.strip()}"


if __name__ == "__main__":
    sys.exit(main())
