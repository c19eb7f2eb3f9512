"""The page toolkit: htmx, forms, filters, navigation, errors, security headers. It knows no domain.

======== ==============================================================
visitor  who reads: the door that accounts fills
csrf     unsafe requests come from our own pages
security headers, cookies, hosts, sizes
htmx     page or fragment, polling, redirects
forms    WTForms with our token; errors from services
filters  money, times, counts, Markdown
nav      what the side and the top bar show
paging   lists by key, never by offset
errors   every failure as a page or a fragment with a code to quote
assets   style, scripts, icons: cached for ever by hash
limits   how often something may be asked
======== ==============================================================
"""

from flask import Flask

from app.core.settings import Settings
from app.web import assets, csrf, errors, filters, htmx, limits, nav, security, visitor


def init_app(app: Flask, settings: Settings) -> None:
    """Put the toolkit into the application; opens no connection."""
    security.init_app(app, settings)
    htmx.init_app(app)
    visitor.init_app(app)
    csrf.init_app(app)
    limits.init_app(app, settings)
    filters.init_app(app)
    nav.init_app(app)
    assets.init_app(app)
    errors.init_app(app)
