"""Turn a weight while the demo runs, and watch the behaviour follow. What one learns: steering needs no training.

Start `python3 run.py demo` in another terminal first; it prints the two addresses to give here.
"""

import sys
import time

from npc_sdk.designer.client import Designer

control, telemetry = sys.argv[1:3] if len(sys.argv) > 2 else ("tcp://127.0.0.1:5758", "tcp://127.0.0.1:5759")
SETTLE_S, MEASURE_S = 4.0, 8.0

with Designer(control, telemetry) as designer:
    scopes = ["global", *(f"persona:{name}" for name in designer.inspect()["personas"])]
    for weight in (0.0, 0.5, 1.0, 2.0, 4.0):
        for scope in scopes:
            designer.set_weight("exposure", weight, scope)
        time.sleep(SETTLE_S)
        fraction = designer.measure("exposed_fraction", MEASURE_S)
        print(f"exposure {weight:3.1f} -> in the player's view {fraction:5.1%} of the time", flush=True)
