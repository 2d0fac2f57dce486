"""Findings about a running ejabberd, through its admin API."""
