"""How fast a pair decodes here."""
