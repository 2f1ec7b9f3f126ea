"""A scrolling text in which every token can be stood on."""
