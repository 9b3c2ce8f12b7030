"""The hunt on the wire: a real brain process that is killed, real sockets, a bad line between, and games that judge."""
