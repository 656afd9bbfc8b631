"""The catalog: the truth about every photo. SQL stands in this folder and nowhere else."""
