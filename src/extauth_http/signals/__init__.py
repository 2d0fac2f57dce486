"""``extauth-http signals``: ends the sessions of a user when the identity provider reports it."""
