"""Pages of runs."""

from flask import Blueprint

blueprint = Blueprint("runs", __name__)
