"""Which form of the package is installed: `pure` (nothing compiled) or `compiled`.

The compiled build replaces `FORM` when it copies this file; nothing detects the form at run time, so a compiled
build that lacks a module fails loudly instead of falling back.
"""

FORM = "pure"
PURE = FORM == "pure"
