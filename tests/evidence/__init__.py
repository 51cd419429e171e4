"""The evidence board: published observations beside what the model gives, met or not met."""
