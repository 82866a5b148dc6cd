"""The operators' surface: what waits for a person, and that person's decisions."""
