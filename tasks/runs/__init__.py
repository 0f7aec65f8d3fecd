"""What every run works with: its parts, how it is recorded, stopped, shown and measured."""
