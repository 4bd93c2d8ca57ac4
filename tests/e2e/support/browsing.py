"""What a browser keeps: cookies, and forms that carry them."""

from __future__ import annotations

import re
from collections.abc import Mapping
from urllib.parse import urlencode

from tests.e2e.support.servers import Answer, Server

FORM_TYPE = "application/x-www-form-urlencoded"


class Browser:
    """Fetches pages of one server and keeps its cookies."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self.cookies: dict[str, str] = {}

    @property
    def header(self) -> str:
        """The cookies as a header's value."""
        return "; ".join(f"{name}={value}" for name, value in self.cookies.items())

    def get(self, path: str) -> Answer:
        """Fetch a page."""
        headers = {"Cookie": self.header, "Accept": "text/html"}
        return self._keep(self._server.fetch(path, headers=headers))

    def post(self, path: str, fields: Mapping[str, str], *, form_at: str = "") -> Answer:
        """Send the form that the page at `path`, or at `form_at`, has, with these fields."""
        page = self.get(form_at or path)
        token = re.search(r'name="csrfmiddlewaretoken" value="(\w+)"', page.body)
        assert token, page.body
        headers = {"Cookie": self.header, "Content-Type": FORM_TYPE, "Accept": "text/html"}
        body = urlencode({**fields, "csrfmiddlewaretoken": token[1]})
        return self._keep(self._server.fetch(path, method="POST", headers=headers, body=body))

    def _keep(self, answer: Answer) -> Answer:
        for line in answer.headers.get_all("Set-Cookie", []):
            name, _, value = line.split(";")[0].partition("=")
            self.cookies[name] = value
        return answer


def sign_in(server: Server, name: str, password: str) -> Browser:
    """A browser in which `name` has signed in."""
    browser = Browser(server)
    answer = browser.post("/admin/login/?next=/", {"username": name, "password": password})
    assert answer.status == 302, answer.body
    return browser
