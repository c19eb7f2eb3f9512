"""Workflows, their versions, and what they are made of."""
