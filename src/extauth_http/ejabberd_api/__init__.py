"""ejabberd's admin API: the client, and how each release calls its commands."""
