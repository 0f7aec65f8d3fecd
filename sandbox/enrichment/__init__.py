"""Fields that clients write: what there is to write, what is refused, and when it shows."""
