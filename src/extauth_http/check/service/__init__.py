"""Findings about the HTTP service behind the configuration."""
