"""What a GPU does here, proved by one command: `python -m tests.gpu`."""
