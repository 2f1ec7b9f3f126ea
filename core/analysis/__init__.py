"""What the recorded numbers say."""
