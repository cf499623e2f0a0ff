"""Flows: thin Prefect shells around busgen; the only place that imports prefect."""
