"""Documents made from the surfaces' tables and wire structs: OpenAPI, AsyncAPI, pages of both."""
