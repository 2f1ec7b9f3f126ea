"""Every key and what it does, said once."""
