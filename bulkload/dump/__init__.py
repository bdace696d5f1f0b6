"""From MySQL to chunk files: short reads, one chunk of a table after the other, gently."""
