"""What an image is, and where it comes from: engines, files, registries. Knows no Charmhub."""
