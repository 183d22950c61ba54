"""Several hosts as one: messages between them, and who does what."""
