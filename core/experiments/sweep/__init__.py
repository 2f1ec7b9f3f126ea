"""Samples replies over α, counts behaviours in them, and estimates how often `after` has them."""
