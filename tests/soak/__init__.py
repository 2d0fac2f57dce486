"""``make soak``: many logins for a long time, with a fault every 20 seconds."""
