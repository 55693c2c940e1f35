"""The pages of this folder are tests, by their examples; the scripts that make the site are not."""

collect_ignore_glob = ["*.py"]
