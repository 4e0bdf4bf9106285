"""create, update, patch, apply and delete: decoding, admission, allocation, deletion."""
