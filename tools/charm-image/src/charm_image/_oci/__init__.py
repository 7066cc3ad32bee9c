"""Reads and writes images: in engines, files and registries. Independent of Charmhub."""
