"""What `/api/` answers where it has nothing: an error in REST's shape, not a page."""

from __future__ import annotations

from django.http import HttpRequest, JsonResponse
from django.views.decorators.csrf import csrf_exempt

NOT_FOUND = "not_found"


# Whatever the method: there is nothing here to protect.
@csrf_exempt
def nothing_there(request: HttpRequest, path: str) -> JsonResponse:
    """404, for programs."""
    message = f"There is nothing at /api/{path}/."
    return JsonResponse({"code": NOT_FOUND, "message": message, "fields": {}}, status=404)
