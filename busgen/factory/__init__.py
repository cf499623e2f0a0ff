"""The generation loop: plan, shards, rounds; the same with and without a server."""
