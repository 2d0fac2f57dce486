"""Findings about the configuration of extauth-http."""
