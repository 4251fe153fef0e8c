"""One file a version, numbered. A released one is never edited."""
