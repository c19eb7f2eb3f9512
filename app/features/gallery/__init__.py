"""The template gallery: find, preview, launch."""
