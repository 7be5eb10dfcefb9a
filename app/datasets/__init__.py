"""From what clients send to pictures that models learn from: archives, captions, and what is wrong with each file."""
