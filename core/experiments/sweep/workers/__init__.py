"""A sweep that several engines sample at once, each in a worker of its own."""
