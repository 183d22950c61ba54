"""What a run shows, as numbers and enums."""
