"""nginx's configuration, from the one template that is also deployed.

`python -m project.cluster.nginx` prints it, filled in from the environment.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path

from project.environment import ROOT

TEMPLATE = ROOT / "deploy" / "nginx" / "realtime.conf.template"
# As nginx's own image does: its variables have no braces, and are left alone.
PLACEHOLDER = re.compile(r"\$\{([A-Z_]+)\}")


def upstream(ports: Iterable[int]) -> str:
    """The servers of this machine; one that refused a connection is asked again soon."""
    return " ".join(f"server 127.0.0.1:{port} fail_timeout=2s;" for port in ports)


# For the systemd units on one machine.
DEFAULTS = {
    "NGINX_LISTEN": "80",
    "NGINX_UPSTREAM": upstream((8001, 8002)),
    "NGINX_SERVER_INCLUDES": "/etc/nginx/server.d/*.conf",
    "NGINX_ACCESS_LOG": "/var/log/nginx/realtime.log",
    "NGINX_CONNECTIONS_PER_ADDRESS": "200",
}


def render(values: Mapping[str, str]) -> str:
    """The template with every placeholder filled in; KeyError for one that has no value."""
    return PLACEHOLDER.sub(lambda found: values[found[1]], TEMPLATE.read_text(encoding="utf-8"))


def write_configuration(folder: Path, *, listen: str, ports: list[int]) -> Path:
    """Write a whole configuration for an nginx that lives in `folder` alone; its main file."""
    site = render(
        DEFAULTS
        | {
            "NGINX_LISTEN": listen,
            "NGINX_UPSTREAM": upstream(ports),
            "NGINX_SERVER_INCLUDES": f"{folder}/server.d/*.conf",
            "NGINX_ACCESS_LOG": f"{folder}/nginx-access.log",
            # Whoever tries how many connections it takes has one address.
            "NGINX_CONNECTIONS_PER_ADDRESS": "10000",
        }
    )
    (folder / "realtime.conf").write_text(site, encoding="utf-8")
    main = folder / "nginx.conf"
    main.write_text(_main(folder), encoding="utf-8")
    return main


def _main(folder: Path) -> str:
    """The main file: in the foreground, with every path below `folder`."""
    temporary = "\n".join(
        f"    {kind}_temp_path {folder}/nginx-{kind};"
        for kind in ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    )
    # Only root may name an account; another one could not look into a folder of root's.
    user = "user root;\n" if os.geteuid() == 0 else ""
    return f"""{user}daemon off;
pid {folder}/nginx.pid;
error_log stderr warn;
# Clients that do not leave when their server tells them to.
worker_shutdown_timeout 10s;
events {{
    worker_connections 4000;
}}
http {{
{temporary}
    include {folder}/realtime.conf;
}}
"""


if __name__ == "__main__":
    sys.stdout.write(render(DEFAULTS | dict(os.environ)))
