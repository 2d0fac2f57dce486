"""What every command needs at a terminal: safe output, credential prompts, masking."""
