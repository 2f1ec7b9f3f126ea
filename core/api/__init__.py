"""The public Python interface: a pair opened in a script or a notebook."""
