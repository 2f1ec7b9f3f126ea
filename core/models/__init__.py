"""The two models: found, loaded, held and compared."""
