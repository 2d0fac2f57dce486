"""Findings about an ``extauth_program``, which runs here as a pool member of ejabberd does."""
