"""Document 004, the Amarktai trading network: REST, server-sent events and a WebSocket."""
