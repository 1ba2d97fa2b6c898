"""The file a room begins with, named after the dojo's language."""

from __future__ import annotations

from typing import Final

_EXTENSIONS: Final = {
    "bash": "sh",
    "c": "c",
    "c#": "cs",
    "c++": "cpp",
    "clojure": "clj",
    "cpp": "cpp",
    "csharp": "cs",
    "css": "css",
    "dart": "dart",
    "elixir": "ex",
    "erlang": "erl",
    "f#": "fs",
    "fsharp": "fs",
    "go": "go",
    "golang": "go",
    "groovy": "groovy",
    "haskell": "hs",
    "html": "html",
    "java": "java",
    "javascript": "js",
    "js": "js",
    "json": "json",
    "julia": "jl",
    "kotlin": "kt",
    "lua": "lua",
    "markdown": "md",
    "node": "js",
    "objective-c": "m",
    "ocaml": "ml",
    "perl": "pl",
    "php": "php",
    "py": "py",
    "python": "py",
    "python3": "py",
    "r": "r",
    "ruby": "rb",
    "rust": "rs",
    "scala": "scala",
    "shell": "sh",
    "sql": "sql",
    "swift": "swift",
    "ts": "ts",
    "typescript": "ts",
}


def main_file(language: str) -> str:
    """`main.py` for `Python`; `main.txt` for a language nobody knows."""
    return f"main.{_EXTENSIONS.get(language.strip().lower(), 'txt')}"
