"""Contenders import what may not be installed here, so pytest must not import them to look for doctests."""

collect_ignore_glob = ["contenders/*.py", "draw.py"]
