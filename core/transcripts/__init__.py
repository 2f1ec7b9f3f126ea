"""Conversations: what was said, written to disk as it happens, and read back."""
