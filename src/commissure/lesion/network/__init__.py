"""A network that marks lesions: trained on masks that somebody drew, and applied to images."""
