"""Self-supervised models for images, in Keras 3: train them, load them, use them."""

__version__ = "0.1.0"
