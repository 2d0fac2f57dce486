"""Backends: one kind of HTTP service each, and the registry that finds a kind by its name."""
