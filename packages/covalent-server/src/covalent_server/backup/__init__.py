"""All that a server has stored: looked through, copied into one file, and put back."""
