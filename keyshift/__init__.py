"""Moves a live MySQL database to Amazon DynamoDB with redesigned keys, and proves that nothing was lost."""
