"""API keys, and the stored responses that make a repeated request safe."""
