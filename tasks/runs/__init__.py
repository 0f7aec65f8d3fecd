"""What every run works with: opening, recording, stopping, showing and measuring it."""
