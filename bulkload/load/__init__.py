"""From chunk files to DynamoDB, through the keymap."""
