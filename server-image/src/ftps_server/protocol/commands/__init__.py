"""The commands, by what they are about. Each module adds to the one before, and `session.py` to the last of them."""
