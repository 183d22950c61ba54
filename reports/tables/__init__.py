"""What a run shows, as tables."""
