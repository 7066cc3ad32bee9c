"""Requirements of what a charm does with its images, and the scenarios that check them."""
