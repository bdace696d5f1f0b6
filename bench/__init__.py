"""What Keyshift moves per second, beside what one would pick instead: `make bench`."""
