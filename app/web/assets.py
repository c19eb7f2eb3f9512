"""Style, scripts and icons: cached for ever under an address that holds their hash.

Our own small files (one component a file) are sent as a few bundles; what set-up put into
``static/vendor`` goes out as it is, by whitenoise, with its hash as ``?v=``.
"""

import gzip
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from flask import Flask, Response, abort, g, make_response, request, url_for
from whitenoise import WhiteNoise  # type: ignore[import-untyped]  # ships no types

FOREVER_S = 365 * 24 * 60 * 60
FOREVER = f"public, max-age={FOREVER_S}, immutable"
TYPES = {".css": "text/css; charset=utf-8", ".js": "text/javascript; charset=utf-8"}
# What each bundle is made of, in order; a name with a star stands for all that fits, by alphabet.
BUNDLES = {
    "app.css": ("css/tokens.css", "css/fonts.css", "css/base.css", "css/components/*.css", "css/*.css"),
    "public.css": (
        "css/tokens.css", "css/base.css", "css/public.css", "css/components/brand.css", "css/components/button.css",
        "css/components/field.css", "css/components/card.css", "css/components/chip.css", "css/components/facts.css",
        "css/components/note.css", "css/components/empty.css", "css/components/approval.css", "css/approvals.css",
    ),
    "vendor.css": ("vendor/tabler.min.css",),
    "vendor.js": ("vendor/htmx.min.js",),
    "app.js": ("js/*.js", "js/public/*.js"),
    "public.js": ("js/focus.js", "js/submit-once.js", "js/public/*.js"),
}  # fmt: skip
NOT_IN = {"app.css": {"css/public.css"}}


@dataclass(frozen=True, slots=True)
class Bundle:
    """Several files as one, plain and compressed, and their common hash."""

    digest: str
    plain: bytes
    compressed: bytes


class Assets:
    """The bundles and the hashes of one ``static`` folder; *watches* reads files again when they change."""

    def __init__(self, folder: Path, *, watches: bool) -> None:
        self.folder = folder
        self.watches = watches
        self._bundles: dict[str, tuple[float, Bundle]] = {}
        self._digests: dict[str, tuple[float, str]] = {}

    def bundle(self, name: str) -> Bundle:
        """Return the bundle *name*, made at its first use."""
        kept = self._bundles.get(name)
        if kept and not self.watches:
            return kept[1]
        paths = list(self._paths(name))
        stamp = max((path.stat().st_mtime for path in paths), default=0.0) + len(paths)
        if not kept or kept[0] != stamp:
            kept = self._bundles[name] = (stamp, _join(paths))
        return kept[1]

    def digest(self, filename: str) -> str:
        """Return the hash of a file in the folder, empty when it is not there."""
        path = self.folder / filename
        known = self._digests.get(filename)
        if known and not self.watches:
            return known[1]
        stamp = path.stat().st_mtime if path.is_file() else 0.0
        if not known or known[0] != stamp:
            known = self._digests[filename] = (stamp, _digest(path.read_bytes()) if stamp else "")
        return known[1]

    def _paths(self, name: str) -> Iterable[Path]:
        seen = {self.folder / left_out for left_out in NOT_IN.get(name, ())}
        for pattern in BUNDLES[name]:
            for path in sorted(self.folder.glob(pattern)):
                if path not in seen:
                    seen.add(path)
                    yield path


def init_app(app: Flask) -> None:
    """Serve ``/assets/<hash>/<bundle>`` and ``/static``; ``asset_url("app.css")`` in templates."""
    watches = app.config.get("ENV_NAME") == "development"
    assets = Assets(Path(app.static_folder or "static"), watches=watches)
    app.extensions["assets"] = assets
    app.wsgi_app = WhiteNoise(  # type: ignore[method-assign]
        app.wsgi_app, root=str(assets.folder), prefix="static/", max_age=FOREVER_S, autorefresh=watches,
        add_headers_function=_headers,
        allow_all_origins=False,
    )  # fmt: skip
    app.add_url_rule("/assets/<digest>/<name>", "assets", lambda digest, name: _send(assets, name))
    app.jinja_env.globals["asset_url"] = lambda name: url_for(
        "assets", digest=assets.bundle(name).digest, name=name
    )

    app.jinja_env.globals["sprite_url"] = _sprite_url

    @app.url_defaults
    def _versioned(endpoint: str, values: dict[str, Any]) -> None:
        if endpoint == "static" and "filename" in values and "v" not in values:
            values["v"] = assets.digest(values["filename"]) or None


def _sprite_url() -> str:
    """Return the address of the icons, worked out once a request: a page has hundreds."""
    if "sprite_url" not in g:
        g.sprite_url = url_for("static", filename="vendor/icons.svg")
    return str(g.sprite_url)


def _headers(headers: Any, _path: str, url: str) -> None:
    headers["X-Content-Type-Options"] = "nosniff"
    headers["Cross-Origin-Resource-Policy"] = "same-origin"
    headers["Cache-Control"] = FOREVER
    if url.endswith(".svg"):
        headers["Content-Security-Policy"] = "default-src 'none'; style-src 'unsafe-inline'; sandbox"


def _send(assets: Assets, name: str) -> Response:
    if name not in BUNDLES:
        abort(404)
    bundle = assets.bundle(name)
    zipped = request.accept_encodings.quality("gzip") > 0
    response = make_response(bundle.compressed if zipped else bundle.plain)
    response.headers["Content-Type"] = TYPES[Path(name).suffix]
    response.headers["Cache-Control"] = FOREVER
    response.vary.add("Accept-Encoding")
    if zipped:
        response.headers["Content-Encoding"] = "gzip"
    return response


def _join(paths: list[Path]) -> Bundle:
    plain = b"\n".join(path.read_bytes() for path in paths)
    return Bundle(_digest(plain), plain, gzip.compress(plain, mtime=0))


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
