"""From resources to an image: bundle, plan, Dockerfile, builders."""
