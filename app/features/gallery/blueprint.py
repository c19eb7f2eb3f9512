"""The gallery's blueprint: ``views`` has its pages, ``launching`` the launch form, ``saving`` what makes a template."""

from flask import Blueprint

blueprint = Blueprint("gallery", __name__)
