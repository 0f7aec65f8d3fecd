"""Acting on devices and people: targets, plan, approval, requests at most once, what became of it."""
