"""Any text-to-image or editing pipeline of diffusers."""
