"""The two models: finding, loading, running and comparing them."""
