"""In place of flpc's `__init__`, which copies the names of its extension module; we use the module itself."""
