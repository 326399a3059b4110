"""Tar (csuhan/Tar at commit 47da8e1): its tokenizers, language model and presets."""
