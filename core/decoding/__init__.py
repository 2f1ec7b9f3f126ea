"""Decoding: from two models and a prompt to tokens and their statistics."""
