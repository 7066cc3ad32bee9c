"""From an image to a resource revision: the commands, Charmhub's API, credentials, the push."""
