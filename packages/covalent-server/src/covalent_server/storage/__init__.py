"""Where the bytes of large assets live."""
