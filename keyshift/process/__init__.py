"""What a process needs around its loop: settings, log, stop, backoff, clock."""
