"""What REST's OpenAPI document says: each operation, its parameters, bodies, answers, errors."""
