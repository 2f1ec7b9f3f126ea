"""Layers that replace transformers' own."""
