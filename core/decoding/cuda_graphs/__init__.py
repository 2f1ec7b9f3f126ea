"""What only a GPU does: steps captured once and launched whole."""
