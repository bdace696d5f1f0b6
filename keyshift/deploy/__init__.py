"""What runs in AWS, as a CloudFormation template rendered from the settings and the keymap."""
