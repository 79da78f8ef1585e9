"""The version of Thimble: the tag `dd_extension_version`, the command line and the bundle read it here."""

VERSION = "0.1.0"
