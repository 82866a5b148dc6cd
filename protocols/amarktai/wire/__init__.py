"""The vocabulary of document 004."""
