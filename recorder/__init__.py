"""The media plane: one UDP port in, playable files out.

Knows no HTTP, no database and no environment. `pool` is the way in: it starts
worker processes, and calls across to them with the messages of `messages`.
"""
