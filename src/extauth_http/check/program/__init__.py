"""Findings about an ``extauth_program``, started as ejabberd starts it."""
