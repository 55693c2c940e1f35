"""What a user asks for: bars of frames, of streams and in expressions, their states, and the files they go into."""
