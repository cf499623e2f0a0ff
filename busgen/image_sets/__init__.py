"""Sets of images that busgen did not make: folders, Parquet, Hugging Face datasets on disk."""
