"""What is read and written on the surface, a module a section of the document."""
