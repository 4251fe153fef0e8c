"""What lasts: schema, migrations, queries by subject, recordings on disk."""
