"""The app of notes: an ordinary one, whose model's changes are published."""
