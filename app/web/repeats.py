"""Presses that met another in the database: done again, not shown as an error."""

from collections.abc import Callable
from typing import TypeVar

import sqlalchemy as sa
import structlog
from flask import request

from app.core.db import db, met_another

MOST = 3
T = TypeVar("T")

_log = structlog.get_logger(__name__)


def repeated(do: Callable[[], T]) -> T:
    """Return what *do* returns for this request, which is done again where it met another: a deadlock.

    Nothing of it is written then, and a press that comes twice is one (so it may be done again from its beginning).
    """
    for _ in range(MOST - 1):
        try:
            return do()
        except sa.exc.DBAPIError as error:
            if not met_another(error):
                raise
            _log.info("request.repeated", endpoint=request.endpoint)
            db.session.rollback()
            for _, file in request.files.items(multi=True):
                file.stream.seek(0)
    return do()
