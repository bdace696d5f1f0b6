"""Everything the demo brings along so that it runs on an empty machine: real servers, thrown away afterwards."""
