"""Everything that runs episodes: recording play, steerability, fights; the exact measures and statistics they share."""
