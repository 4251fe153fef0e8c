"""Tests of one live candidate."""
