"""Hunts for frames that the bridge cannot bear, by mutation, in process."""
