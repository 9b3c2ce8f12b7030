"""What only a wall clock can tell: the live loop between two processes, and how fast errors are reported."""
