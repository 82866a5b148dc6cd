"""The NexusPay surface (document 002): REST under /api, updates at /ws."""
