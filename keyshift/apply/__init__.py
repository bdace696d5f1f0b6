"""The write side: patches become guarded DynamoDB writes; a batch of stream records in, what is done or failed out."""
