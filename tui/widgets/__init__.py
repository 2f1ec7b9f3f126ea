"""The widgets of the chat screen; none of them knows the engine."""
