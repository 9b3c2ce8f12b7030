"""Hunts for a peer that a server cannot bear: raw ZeroMQ scripts over sockets, beside a game that behaves."""
