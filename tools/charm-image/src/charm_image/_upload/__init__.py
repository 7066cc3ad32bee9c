"""Uploads resources: the commands, Charmhub's API, credentials and the push of images."""
