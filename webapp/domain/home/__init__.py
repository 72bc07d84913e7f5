"""What the page `Home` shows: work that runs or waits for someone, and the first steps in a new console.

Each function takes the signed-in person, and returns only what their role may see or act on.
"""
