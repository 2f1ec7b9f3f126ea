"""One file a command; thin over the Python interface."""
