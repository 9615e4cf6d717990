"""Makes random regular expressions and texts, and says which texts they match as a whole.

Usage: regex_cases.py COUNT [SEED]

The expressions are of the syntax that Python's re and RE2 share. Matches are those of the package
re2 (google-re2) if it is installed, and of re. Prints JSON.
"""

import json
import random
import re
import sys

try:
    import re2
except ImportError:
    re2 = None

LETTERS = ["a", "b", "A", "0", "_", "-", " ", "é", "ж", "\n"]
ESCAPES = [r"\d", r"\w", r"\s", r"\D", r"\W", r"\S", r"\.", r"\n", r"\x41", r"\-"]


def class_of(random):
    parts = random.choices(["a", "b", "A-Z", "0-9", "_", "é", "ж", r"\d", r"\w", r"\-", " "], k=3)
    return "[" + random.choice(["", "^"]) + "".join(parts) + "]"


def expression(random, depth):
    if depth == 0:
        kind = random.random()
        if kind < 0.6:
            return random.choice(LETTERS[:6] + LETTERS[7:9])
        if kind < 0.75:
            return random.choice(ESCAPES)
        if kind < 0.85:
            return class_of(random)
        return random.choice([".", ".", r"\b", r"\B", "^", r"\A"])
    kind = random.random()
    if kind < 0.4:
        return "".join(expression(random, depth - 1) for _ in range(random.randint(0, 3)))
    if kind < 0.6:
        count = random.randint(1, 3)
        return "(" + "|".join(expression(random, depth - 1) for _ in range(count)) + ")"
    if kind < 0.7:
        flags = random.choice(["i", "s", "m", "is", "i-s", "-m"])
        return f"(?{flags}:" + expression(random, depth - 1) + ")"
    low = random.randint(0, 3)
    repeat = random.choice(
        ["*", "+", "?", f"{{{low}}}", f"{{{low},}}", f"{{{low},{low + random.randint(0, 2)}}}"]
    )
    lazy = random.choice(["", "", "?"])
    return "(?:" + expression(random, depth - 1) + ")" + repeat + lazy


def sample(random, pattern):
    """Texts of the pattern's own letters, some of which it matches."""
    own = [letter for letter in pattern if letter in LETTERS] or ["a"]
    letters = own * 3 + LETTERS
    return "".join(random.choices(letters, k=random.randint(0, 6)))


def main():
    count = int(sys.argv[1])
    source = random.Random(int(sys.argv[2]) if len(sys.argv) > 2 else 1)
    cases = []
    while len(cases) < count:
        pattern = expression(source, source.randint(1, 4))
        texts = [sample(source, pattern) for _ in range(8)]
        if r"\B" in pattern:
            # Python before 3.14 has no such place in an empty text.
            texts = [text for text in texts if text]
        expected = [re.fullmatch(pattern, text, re.ASCII) is not None for text in texts]
        if re2:
            # Python's re.ASCII also keeps the case of other letters.
            theirs = [re2.fullmatch(pattern, text) is not None for text in texts]
            if "i" not in pattern:
                assert theirs == expected, (pattern, texts, theirs, expected)
            expected = theirs
        elif "i" in pattern and any(letter in pattern for letter in "éж"):
            continue
        cases.append({"pattern": pattern, "texts": texts, "matches": expected})
    print(json.dumps(cases))


if __name__ == "__main__":
    main()
