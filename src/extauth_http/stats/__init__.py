"""``extauth-http stats``: logins, verdicts, latency and pool load from the log."""
