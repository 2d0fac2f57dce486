"""The kinds of backend, one file each. ``registry.py`` finds a kind by its name."""
