"""Benchmarks: how fast a pair decodes on this machine."""
