"""In-context reward hacking: a model that writes and judges in rounds."""
