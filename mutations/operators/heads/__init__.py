"""How the width is split among heads, and put together again."""
