"""`POST /ops/reconcile`: compare the payments with the provider now, and say what was found."""

from actors.reconcile import Reconciler, Report
from protocols.http import Request
from protocols.web import Route


def reconcile_route(reconciler: Reconciler) -> Route:
    """For administrators, by the surface's own check; answers a Report."""

    async def reconcile(_request: Request) -> Report:
        return await reconciler.once()

    return Route("POST", "/reconcile", reconcile, response=Report, summary="Reconcile now")
