"""Trades and their bars as files of one calendar period each, whose footers say what they were made of."""
