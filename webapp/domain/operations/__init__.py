"""How the console is doing: heartbeats of its processes, its status, and clearing what grew old."""
