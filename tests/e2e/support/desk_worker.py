"""A program: reads actions from standard input, one a line, and answers each when it is done."""

from __future__ import annotations

import importlib
import json
import sys
import traceback

import django


def main() -> None:
    """Serve until the input ends."""
    actions = importlib.import_module(sys.argv[1])

    for line in sys.stdin:
        name, arguments = json.loads(line)
        try:
            answer = {"result": getattr(actions, name)(**arguments)}
        except Exception:
            answer = {"error": traceback.format_exc()}
        print(json.dumps(answer, default=str), flush=True)


if __name__ == "__main__":
    django.setup()
    main()
