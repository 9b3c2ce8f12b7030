"""Which web pages may connect. Any page in the world can reach a port of this machine; its Origin is all that tells."""

from __future__ import annotations

import re
from collections.abc import Collection, Sequence

from npc_sdk.errors import InputError

USUAL_PORTS = {"http": "80", "https": "443"}  # which browsers leave out
_ORIGIN = re.compile(r"([a-z][a-z0-9+.-]*)://([a-z0-9._-]+|\[[0-9a-f:.]+\])(?::(\d{1,5}))?/?")


def origin(text: str) -> str:
    """Returns an origin as browsers write it: SCHEME://HOST, and :PORT where it is not the usual one.

    Raises:
        InputError: it is none, or one that many have: `*`, `null` and `file://`.
    """
    found = _ORIGIN.fullmatch(text.lower())
    if found is None:
        raise InputError(
            f"origin: expected SCHEME://HOST[:PORT] of a page, such as http://localhost:8000, got {text[:200]!a}; "
            "pages without one (files, for instance) cannot be told apart: serve them, python3 -m http.server does"
        )
    scheme, host, port = found.groups()
    return f"{scheme}://{host}" + ("" if port in (None, USUAL_PORTS.get(scheme)) else f":{port}")


def refusal(given: Sequence[str], allowed: Collection[str]) -> str:
    """Says why a request with these Origin headers is not let in, and how it would be; "" where it is."""
    if len(given) == 1 and given[0] in allowed:
        return ""
    if len(given) != 1:
        return f"expected one Origin, got {len(given)}: web pages send one, and others must"
    try:
        return f"origin {given[0][:200]!a} is not let in; if it is yours: npc-sdk gateway --origin {origin(given[0])}"
    except InputError as error:
        return str(error)
