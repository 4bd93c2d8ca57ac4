"""The REST paths of trading, mounted under `/api/`."""

from django.urls import path

from trading.api import EquityCurve, PositionDetail, PositionList, Risk

urlpatterns = [
    path("positions/", PositionList.as_view(), name="positions"),
    path("positions/<str:position_id>/", PositionDetail.as_view(), name="position"),
    path("equity/", EquityCurve.as_view(), name="equity"),
    path("risk/", Risk.as_view(), name="risk"),
]
