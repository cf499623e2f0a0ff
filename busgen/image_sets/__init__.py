"""Sets of pictures that busgen did not make: folders, Parquet, Hugging Face datasets on disk."""
