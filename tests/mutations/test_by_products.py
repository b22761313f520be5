"""Bugs that come with a refactoring: what is rewritten beside the bug, in code of all styles."""

import ast
import re
import runpy
from collections.abc import Mapping
from pathlib import Path

import pytest

from mutations.by_products import BY_PRODUCTS
from mutations.catalogue import EVERY, OPERATORS, operator
from mutations.edit import Edit, Rewritten, splice
from mutations.operator import Category, Operator
from mutations.other_words import in_other_words
from mutations.sites import sites
from mutations.source import together

SCRIPT = runpy.run_path(str(Path(__file__).with_name("foreign_sites.py")))
STYLES, texts = SCRIPT["STYLES"], SCRIPT["texts"]
ROOT = Path(__file__).resolve().parents[2]
LEAST_LINES = 3
QUICK = ("mini", "nano")


def reference() -> dict[str, str]:
    return {file: (ROOT / "reference" / file).read_text("utf-8") for file in ("model.py", "followups.py", "train.py")}


def found(files: Mapping[str, str]) -> list[tuple[Operator, Rewritten]]:
    placed = list(sites(together(files), BY_PRODUCTS))
    assert all(isinstance(site.edit, Rewritten) for site in placed)
    return [(site.operator, site.edit) for site in placed if isinstance(site.edit, Rewritten)]


def changed(before: str, after: str) -> int:
    """How many lines are taken away or added."""
    return len(set(before.splitlines()) ^ set(after.splitlines()))


def test_they_stand_beside_the_catalogue_and_are_found_by_their_ids() -> None:
    assert set(BY_PRODUCTS).isdisjoint(OPERATORS)
    assert (*OPERATORS, *BY_PRODUCTS) == EVERY
    assert len({each.id for each in EVERY}) == len(EVERY)
    assert all(operator(each.id) is each for each in BY_PRODUCTS)


def test_they_cover_the_four_bugs_and_the_extensions() -> None:
    assert len(BY_PRODUCTS) >= 8
    assert {each.category for each in BY_PRODUCTS} >= {
        Category.MASKING,
        Category.POSITION,
        Category.PROJECTION,
        Category.TRAINING_LOOP,
        Category.KV_CACHE,
        Category.CLASSIFIER,
    }


@pytest.mark.parametrize("each", BY_PRODUCTS, ids=lambda each: each.id)
def test_each_example_becomes_what_it_should_and_its_honest_twin_lacks_the_bug_alone(each: Operator) -> None:
    [example] = each.examples
    [edit] = each.find(example.before)

    assert splice(example.before, [edit]) == example.after
    assert isinstance(edit, Rewritten)
    honest = splice(example.before, [edit.without_the_bug])
    assert ast.dump(ast.parse(honest)) != ast.dump(ast.parse(example.after))
    assert changed(example.before, honest) >= LEAST_LINES
    # The bug is a small part of what a comparison with the text before shows.
    assert changed(honest, example.after) < changed(example.before, example.after)


@pytest.mark.parametrize("each", BY_PRODUCTS, ids=lambda each: each.id)
def test_hints_do_not_quote_the_repair(each: Operator) -> None:
    [example] = each.examples
    [edit] = each.find(example.before)
    assert isinstance(edit, Rewritten)
    one, other = (set(re.findall(r"\w+", text)) for text in (edit.after, edit.honest))

    assert [word for word in one ^ other if re.search(rf"\b{word}\b", "\n".join(each.hints), re.IGNORECASE)] == []
    assert [hint for hint in each.hints if not re.fullmatch(r"[A-Z][^`=_()\[\]]+[.?]", hint)] == []


def test_the_story_says_what_is_rewritten_and_whose_bug_it_is() -> None:
    for each in BY_PRODUCTS:
        assert re.match(r"[A-Z][^\n]+\.\n\n## What it does\n", each.story)
        assert "alone computes the same, bit by bit" in each.story
        assert any(f"`{base.id}`" in each.story for base in OPERATORS)


@pytest.mark.parametrize(
    "style",
    # The others are slow together: each rewriting of each of their sites is parsed anew.
    ["reference", *(pytest.param(each, marks=[] if each in QUICK else pytest.mark.slow) for each in STYLES)],
)
def test_in_every_style_both_texts_are_programs_and_differ_by_the_bug(style: str) -> None:
    files = reference() if style == "reference" else texts(style)
    wrong = []
    for each, edit in found(files):
        after, honest = (splice(files[edit.file], [one]) for one in (edit, edit.without_the_bug))
        trees = {ast.dump(ast.parse(text)) for text in (files[edit.file], honest, after)}
        if len(trees) < 3 or changed(edit.before, edit.honest) < LEAST_LINES:
            wrong.append(each.id)

    assert wrong == []


@pytest.mark.slow  # six sources, each rewritten at all sites: fewer would not say in which styles they are at home
def test_most_are_at_home_in_code_that_was_not_written_for_them() -> None:
    at_home = {
        each.id for style in ("nano", "mini", "script", "usual", "assignment") for each, _ in found(texts(style))
    }
    here = {each.id for each, _ in found(reference())}

    assert len(here) >= 12, sorted({each.id for each in BY_PRODUCTS} - here)
    assert len(at_home) >= 8, sorted({each.id for each in BY_PRODUCTS} - at_home)


def test_an_edit_with_its_honest_twin_is_an_edit_as_any_other() -> None:
    edit = Rewritten("model.py", 0, 1, "a", "c", "b")

    assert (splice("a", [edit]), splice("a", [edit.without_the_bug])) == ("c", "b")
    assert edit.to_dict() == Edit("model.py", 0, 1, "a", "c").to_dict()


# In other words


@pytest.mark.slow  # whole packages are taken apart and put together again, for which a part would not do
def test_other_words_are_the_same_for_a_seed_and_others_for_another_one() -> None:
    files = {"train.py": reference()["train.py"]}
    first, again, other = (in_other_words(files, seed) for seed in (1, 1, 2))

    assert first == again
    assert first != other
    assert first != files


@pytest.mark.slow  # whole packages are taken apart and put together again, for which a part would not do
@pytest.mark.parametrize("style", ["reference", "mini", "nano", "tiny_llama"])
def test_what_other_code_can_see_stays(style: str) -> None:
    files = reference() if style == "reference" else texts(style)
    made = in_other_words(files, 3)
    kept = {"GPT", "GPTConfig", "forward", "forward_incremental", "train_step", "loss_fn", "Batch", "LayerKV"}

    assert made.keys() == files.keys()
    for file, text in files.items():
        tree, new = ast.parse(text), ast.parse(made[file])
        assert defined(new) & kept == defined(tree) & kept
        assert weights(new) == weights(tree)
        assert len(defined(new)) == len(defined(tree))
        assert texts_of(new) == texts_of(tree)  # error messages, keys, and what is looked up by name


@pytest.mark.slow  # whole packages are taken apart and put together again, for which a part would not do
def test_comments_and_docstrings_name_what_is_there() -> None:
    files = reference()
    made = in_other_words(files, 1)
    gone = set().union(*(defined(ast.parse(text)) for text in files.values()))
    gone -= set().union(*(defined(ast.parse(text)) for text in made.values()))
    said = "\n".join(made.values())

    assert len(gone) >= 20
    assert [name for name in gone if re.search(rf"\b{name}\b", said) and ("_" in name or f"`{name}`" in said)] == []


def test_callers_are_changed_with_what_they_call() -> None:
    model = "class GPT:\n    def forward(self, x):\n        return x\n"
    caller = "def build(model, sizes):\n    return model.GPT()\n\n\ndef logits(net, x):\n    return net.forward(x)\n"
    made = in_other_words({"model.py": model}, 0, callers={"adapter.py": caller})

    assert "class GPT" not in made["model.py"]
    [name] = re.findall(r"class (\w+)", made["model.py"])
    assert f"model.{name}()" in made["adapter.py"]
    assert "net.forward(x)" in made["adapter.py"]


def defined(tree: ast.AST) -> set[str]:
    return {node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef | ast.ClassDef)}


def weights(tree: ast.AST) -> set[str]:
    """The attributes of self that are assigned: they are the names in a checkpoint."""
    return {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and ast.unparse(node.value) == "self"
    }


def texts_of(tree: ast.AST) -> list[str]:
    """The texts in the code that are no docstrings."""
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    return sorted(
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and id(node) not in prose
    )
