"""``extauth-http stats``: what the log says about logins."""
