"""``serve``, one service for many pool members, and ``relay``, the pool member that uses it."""
