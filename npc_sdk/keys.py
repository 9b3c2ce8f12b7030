"""`npc-sdk keys`: who may connect to a brain from another machine."""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from npc_bridge.keys import ROLES, ServerKeys


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declares the options."""
    verbs = parser.add_subparsers(dest="verb", required=True)
    help_of = {
        "make": "a folder with a new pair, which lets nobody in",
        "add": "let a peer in; writes the file to hand over to it",
        "remove": "let a peer in no longer",
        "rotate": "give a peer another key; without a name the brain, whose peers all get new files",
        "list": "who is let in, as what",
    }
    for verb, text in help_of.items():
        one = verbs.add_parser(verb, help=text)
        one.add_argument("folder", type=Path, help="as given to npc-sdk serve --keys")
        if verb in ("add", "remove"):
            one.add_argument("name", help="of the peer")
        if verb == "rotate":
            one.add_argument("name", nargs="?", default="", help="of the peer; the brain's own key without one")
        if verb == "add":
            roles = "; ".join(f"{role} {what}" for role, what in ROLES.items())
            one.add_argument("--roles", nargs="+", default=["game"], metavar="ROLE", help=f"{roles} (game)")
        one.add_argument("--json", action="store_true", help="print one JSON object as the last line of stdout")


def main(args: argparse.Namespace) -> int:
    """Does what is asked and prints what is to be handed over; never a secret."""
    keys = ServerKeys.make(args.folder) if args.verb == "make" else ServerKeys(args.folder)
    written: tuple[Path, ...] = ()
    if args.verb == "add":
        written = (keys.add(args.name, args.roles),)
    elif args.verb == "remove":
        keys.remove(args.name)
    elif args.verb == "rotate":
        written = keys.rotate(args.name)
    for path in written:
        print(f"hand over {path}, and delete it here")
    for peer in keys.peers:
        print(f"{peer.name:<20} {', '.join(peer.roles):<28} {peer.public}")
    if args.json:
        peers = [{"name": peer.name, "roles": list(peer.roles), "public": peer.public} for peer in keys.peers]
        print(json.dumps({"server": keys.pair[0], "peers": peers, "written": [str(path) for path in written]}))
    return 0
