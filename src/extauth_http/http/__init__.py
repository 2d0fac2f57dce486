"""The HTTP engine: one connection that keeps one deadline over every step of a request."""
