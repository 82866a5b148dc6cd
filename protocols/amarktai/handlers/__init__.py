"""What each endpoint of document 004 does."""
