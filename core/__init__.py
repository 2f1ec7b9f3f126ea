"""What logit-amp-chat decides and computes; knows nothing of the terminal."""
