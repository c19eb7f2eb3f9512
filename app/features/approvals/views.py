"""Pages of approvals: the list, the decision page for people with an account and for those without."""

from flask import Blueprint

blueprint = Blueprint("approvals", __name__)
