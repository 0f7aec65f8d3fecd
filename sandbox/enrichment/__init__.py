"""Fields that clients write: which exist, which values are refused, and when they show."""
