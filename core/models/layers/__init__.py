"""The layers that replace transformers' own."""
