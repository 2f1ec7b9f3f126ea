"""Conversations on disk: written as they happen, read back, listed and replayed."""
