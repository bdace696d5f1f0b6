"""The history read side: rows of MySQL, once, to S3 in chunks, and from there into DynamoDB."""
