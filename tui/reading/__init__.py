"""Reading tokens: cursor, inspector, colours and search, and the screen of a text."""
