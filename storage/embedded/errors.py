"""Why the embedded PostgreSQL cannot run. Each error's text is one line for the operator."""

from storage.errors import StorageError


class EmbeddedError(StorageError):
    """The embedded PostgreSQL cannot be set up or started."""


class DataDirUnusable(EmbeddedError):
    """DATA_DIR cannot be read, written or used for a database."""


class DataDirInUse(EmbeddedError):
    """Another process runs on this DATA_DIR."""
