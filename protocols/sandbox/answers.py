"""What control endpoints answer when they cannot do what they are asked."""

from protocols.http import Response, json_response


def refused(status: int, message: str) -> Response:
    """The control's own error shape."""
    return json_response({"error": message}, status)
