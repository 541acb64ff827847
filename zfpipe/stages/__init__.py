"""One module a rule: read files, call the rooms below, write files."""
