"""The contract of an index: rules from the schema, distribution, data docs."""
