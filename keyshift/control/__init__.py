"""What the migration remembers: one DynamoDB table in which all its processes meet (docs/control-table)."""
