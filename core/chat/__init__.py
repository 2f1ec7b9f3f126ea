"""A chat without a screen: its conversation, its file, and the engine that answers."""
