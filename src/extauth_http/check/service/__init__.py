"""Findings about the service behind the configuration."""
