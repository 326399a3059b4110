"""Language models of transformers: any `AutoModelForCausalLM` with its tokenizer."""
