"""The door to the source server: connections, what the server is and holds, and reading its tables."""
