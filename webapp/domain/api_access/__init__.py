"""How other systems get in: their keys, and the saved responses that make a repeated request safe."""
