"""Limits of a workspace: whether it sends at all, how much at once, how much a day, how long runs are kept."""
