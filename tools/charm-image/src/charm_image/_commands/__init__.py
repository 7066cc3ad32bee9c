"""The programs: arguments in, text or JSON out. Nothing else prints."""
