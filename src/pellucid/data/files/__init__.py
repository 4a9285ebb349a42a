"""Folders of pictures and sounds become numbers."""
