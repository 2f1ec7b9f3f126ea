"""From two models and a prompt to tokens and their numbers."""
