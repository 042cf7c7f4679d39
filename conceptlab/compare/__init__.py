"""The same experiment on several implementations of its parts, side by side."""
