"""What a page may load and run: nothing but the stylesheet, and where it has one the script, that stand in it."""

import base64
import hashlib


def content_policy(stylesheet: str, script: str = "") -> str:
    """The content security policy of a page that holds exactly this style and this script, and loads nothing."""
    runs = f" script-src {_hash(script)};" if script else ""
    return f"default-src 'none'; style-src {_hash(stylesheet)};{runs} base-uri 'none'; form-action 'none'"


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
