"""Builds an image from resources: bundle, plan, Dockerfile, builders."""
