"""What logit-amp-chat shows and asks; never touches a tensor."""
