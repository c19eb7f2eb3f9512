"""Pages of the gallery: the cards, a template with its sample, and the launch form."""

from flask import Blueprint

blueprint = Blueprint("gallery", __name__)
