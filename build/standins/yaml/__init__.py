"""In place of PyYAML's `__init__`, which imports all loaders, dumpers and constructors (10.9 ms).

`thimble.config.yaml_file` imports the scanner, parser and composer by their own names, and they need nothing from here.
"""
