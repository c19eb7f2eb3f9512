"""The web application for any WSGI server: ``wsgi:app``. Workers and the clock are ``worker.py``'s."""

from app import create_app

app = create_app()
