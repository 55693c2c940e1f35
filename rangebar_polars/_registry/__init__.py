"""What is known about the data of venues."""
