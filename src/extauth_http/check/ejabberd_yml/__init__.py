"""``ejabberd.yml`` as ejabberd reads it, and findings about it."""
