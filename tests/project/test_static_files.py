"""The admin's files come from our own server, whole and without a warning, in development too."""

from __future__ import annotations

from django.test import AsyncClient, Client

PATH = "/static/admin/css/base.css"


async def test_file_is_served_under_asgi_without_a_warning() -> None:
    response = await AsyncClient().get(PATH)
    assert response.status_code == 200
    assert response["Content-Type"].startswith("text/css")
    assert int(response["Content-Length"]) == len(response.content) > 1000


def test_head_tells_the_length_without_the_body() -> None:
    response = Client().head(PATH)
    assert response.status_code == 200
    assert response.content == b""
    assert int(response["Content-Length"]) > 1000


def test_file_that_has_not_changed_is_not_sent_again() -> None:
    first = Client().get(PATH)
    again = Client().get(PATH, HTTP_IF_MODIFIED_SINCE=first["Last-Modified"])
    assert again.status_code == 304
    assert again.content == b""


def test_other_paths_reach_the_site() -> None:
    assert Client().get("/static/admin/css/no-such-file.css").status_code == 404
