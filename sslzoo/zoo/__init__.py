"""What we know of a model, how it is read by name, and how it is written."""
