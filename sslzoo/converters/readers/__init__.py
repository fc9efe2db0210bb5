"""A published file -> {name: array}; nothing in the file is executed or written out."""
