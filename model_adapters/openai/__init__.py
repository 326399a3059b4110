"""Any server that speaks OpenAI's chat completions and image generations."""
