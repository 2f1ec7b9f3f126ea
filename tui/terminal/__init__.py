"""What is asked of the terminal and of the shell around the chat."""
