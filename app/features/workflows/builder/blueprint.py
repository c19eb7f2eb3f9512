"""The builder's blueprint, a part of the workflows'."""

from flask import Blueprint

blueprint = Blueprint("builder", __name__)
