"""Experiments on an open pair: they stand on an engine and know no screen."""
