"""Tests that drive a real browser against the whole product."""
