"""A sweep over a chain of stages: one of every adjacent pair, and what they say together."""
