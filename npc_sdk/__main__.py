"""`python -m npc_sdk` is `npc-sdk`: for processes that start each other with one and the same interpreter."""

from __future__ import annotations

import sys

from npc_sdk.cli import main

sys.exit(main())
