"""Requests for approval and their decisions."""
