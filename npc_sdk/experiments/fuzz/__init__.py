"""Hunts for bytes that the bridge cannot bear: mutated frames in process, raw ZeroMQ scripts over sockets."""
