"""As much of distutils, gone since Python 3.12, as layer:basic uses."""
