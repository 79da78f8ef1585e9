"""In place of `__future__`: modules compiled by mypyc really import it and take `annotations`, for nothing.

Interpreted modules do not come here, see `byte_code` in build/assemble.py.
"""

annotations = None
