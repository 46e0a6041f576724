"""The ladder: small networks that differ from one rung to the next in one thing, and what that gave."""
