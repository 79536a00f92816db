"""Texts in place of a language model's, the same one for the same prompt."""

import hashlib
import textwrap

SENTENCES = (
    "People who come back do so for one reason: it worked the first time.",
    "Start with the smallest thing that helps, and say plainly what it is.",
    "Every claim stands beside the evidence for it.",
    "Nobody has to decide today; the door stays open for a week.",
    "What it costs is said once, in one place, without small print.",
    "The first lesson takes ten minutes and leaves something finished behind.",
    "Questions are answered by the people who made it.",
)


def text_for(prompt: str) -> str:
    """Return some Markdown about the first line of the prompt."""
    task = prompt.partition("\n")[0].strip() or "Untitled"
    dice = hashlib.sha256(prompt.encode()).digest()
    lines = [SENTENCES[byte % len(SENTENCES)] for byte in dice[:6]]
    return f"# {textwrap.shorten(task, 80)}\n\n" + "\n\n".join(lines) + "\n"
