"""``extauth-http init``: writes a configuration from the answers to a few questions."""
