"""What a run shows, as figures."""
