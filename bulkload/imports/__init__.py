"""From chunk files to files of whole items in S3, and through DynamoDB's import from S3 into new tables."""
