"""The REST paths of trading, mounted under `/api/`."""

from django.urls import path

from trading import api

urlpatterns = [
    path("positions/", api.PositionList.as_view(), name="positions"),
    # Before the ids: they would be some.
    path("positions/start/", api.StartPosition.as_view(), name="position-start"),
    path("positions/export/", api.PositionsExport.as_view(), name="positions-export"),
    path("positions/<str:position_id>/", api.PositionDetail.as_view(), name="position"),
    path("positions/<str:position_id>/close/", api.ClosePosition.as_view(), name="position-close"),
    path("positions/<str:position_id>/fills/", api.Fills.as_view(), name="position-fills"),
    path(
        "positions/<str:position_id>/reduce/", api.ReducePosition.as_view(), name="position-reduce"
    ),
    path("equity/", api.Equity.as_view(), name="equity"),
    path("equity/export/", api.EquityExport.as_view(), name="equity-export"),
    path("risk/", api.Risk.as_view(), name="risk"),
    path("risk/soft-pause/", api.SoftPause.as_view(), name="risk-soft-pause"),
    path("risk/hard-stop/", api.HardStop.as_view(), name="risk-hard-stop"),
    path("risk/resume/", api.Resume.as_view(), name="risk-resume"),
    path("risk/export/", api.RiskExport.as_view(), name="risk-export"),
]
