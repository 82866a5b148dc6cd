"""The M-Pesa surface's place on the port and its error shape (MPWS-C02, MPWS-C05)."""

from collections.abc import Callable
from typing import Final

from actors.callbacks import CallbackIntake
from protocols.http import Response, json_response
from protocols.mpesa.callbacks import callback_routes
from protocols.web import ErrorKind, Surface

_CODES: Final = {
    ErrorKind.MALFORMED: "INVALID_JSON",
    ErrorKind.INVALID: "VALIDATION_ERROR",
    ErrorKind.BAD_REQUEST: "VALIDATION_ERROR",
    ErrorKind.TOO_LARGE: "VALIDATION_ERROR",
    ErrorKind.NOT_FOUND: "NOT_FOUND",
    ErrorKind.METHOD_NOT_ALLOWED: "NOT_FOUND",
    ErrorKind.UPGRADE_REQUIRED: "VALIDATION_ERROR",
    ErrorKind.TIMEOUT: "TIMEOUT",
    ErrorKind.OVERLOADED: "INTERNAL_ERROR",
    ErrorKind.INTERNAL: "INTERNAL_ERROR",
}


def mpesa_surface(intake: CallbackIntake, allowed: Callable[[str], bool]) -> Surface:
    """The surface as app.py mounts it."""
    return Surface(
        name="mpesa",
        prefix="/mpesa",
        routes=callback_routes(intake, allowed),
        render_error=_render_error,
    )


def _render_error(status: int, kind: ErrorKind, detail: str) -> Response:
    error = {"code": _CODES[kind], "message": detail or kind.value}
    return json_response({"success": False, "error": error}, status)
