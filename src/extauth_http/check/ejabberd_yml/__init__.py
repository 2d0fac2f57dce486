"""``ejabberd.yml``: parsed as ejabberd parses it, and findings about its options."""
