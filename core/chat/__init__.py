"""A chat without a screen: what is said, saved, and asked of an engine."""
