"""Pages of workflows: the list, and one workflow with its versions."""

from flask import Blueprint

blueprint = Blueprint("workflows", __name__)
