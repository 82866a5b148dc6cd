"""Everything that lives longer than one request, one actor each."""
