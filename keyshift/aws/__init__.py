"""The door to AWS: clients, resources, items and the stream, each as small calls that can be repeated."""
