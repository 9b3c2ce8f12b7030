"""The log as JSON: one object a line, whatever is logged."""

from __future__ import annotations

import io
import json
import logging

from npc_sdk.serve.logs import JsonLines


def test_a_record_becomes_one_object_with_what_it_has_of_its_own() -> None:
    stream = io.StringIO()
    handler = logging.StreamHandler(stream)
    handler.setFormatter(JsonLines())
    log = logging.Logger("npc_sdk.serve.brain")
    log.addHandler(handler)
    log.info('%s joined\n"quoted"', "Höhle", extra={"game": "Höhle", "session": 7, "path": object})
    try:
        raise ValueError("no")
    except ValueError:
        log.exception("incident")
    first, second = map(json.loads, stream.getvalue().splitlines())
    assert first["message"] == 'Höhle joined\n"quoted"'
    assert (first["level"], first["logger"], first["game"], first["session"]) == (
        "info",
        "npc_sdk.serve.brain",
        "Höhle",
        7,
    )
    assert first["time"].endswith("+00:00")
    assert set(first) == {"time", "level", "logger", "message", "game", "session", "path"}
    assert second["traceback"].endswith("ValueError: no")
