"""From a vendor's files to trades: what a file holds is data (presets), how it is read is one way for all."""
