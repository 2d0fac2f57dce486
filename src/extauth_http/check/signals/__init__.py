"""The ``signals`` table: its senders, its queue, and the admin API that it needs."""
