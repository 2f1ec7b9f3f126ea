"""Profiles, and the YAML they are written in."""
