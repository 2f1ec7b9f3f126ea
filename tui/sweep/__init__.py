"""The screen of a sweep: rates over α, and the replies that were counted."""
