"""Marking a reader's guesses which sets of moves are groups, in notebook 01."""

from collections.abc import Mapping

AXIOMS = ("closure", "associativity", "identity", "inverse")  # in the order in which they are tested


def mark_guesses(guess: object, answers: Mapping[str, str]) -> None:
    """Print one line of marks, then a reason for each guess that is not right. No answer is given away.

    Args:
        guess: the reader's ``{"A": "closure"}``; what is not guessed is marked "?".
        answers: for each name "group", or the first axiom that is broken.
    """
    if not isinstance(guess, Mapping):
        print(
            f'`guess` is a {type(guess).__name__}. Write guess = {{}}, and below it lines such as guess["A"] = "group".'
        )
        return
    reasons = {name: _reason(guess[name], answer) for name, answer in answers.items() if name in guess}
    marks = {name: "?" if name not in guess else "look again" if reasons[name] else "right" for name in answers}
    print("   ".join(f"{name} {mark}" for name, mark in marks.items()))
    for name, reason in reasons.items():
        if reason:
            print(f"{name}: {reason}")


def _reason(guess: object, answer: str) -> str | None:
    """Why a guess is wrong; None if it is right."""
    if guess == answer:
        return None
    if guess not in (*AXIOMS, "group"):
        return f"write one word in quotes: group, {', '.join(AXIOMS)}."
    if guess == "group":
        return "an axiom is broken. Go through them in order, beginning with closure."
    if answer == "group" or AXIOMS.index(str(guess)) < AXIOMS.index(answer):
        return f"{guess} holds here. Try to find a counterexample, and see why there is none."
    return f"an axiom before {guess} is broken already. Name the first one."
