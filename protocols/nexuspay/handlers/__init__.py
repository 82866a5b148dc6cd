"""A module a section of the document; each handler authenticates nothing and decides little."""
