"""Channels: how mail leaves the house, and the outbox page."""
