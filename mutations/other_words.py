"""A package in other words: other names, another order and other spellings, for a person to read, and the same bits.

What other code can see stays: the names that the contract fixes, parameters of public functions, the attributes that
name weights, files, error messages. Comments and docstrings stay true: they speak of things by their new names.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from random import Random
from typing import Final

import libcst as cst
from libcst import matchers as m

from mutations.contract import CONTRACT
from mutations.edit import Edit, splice
from mutations.refactoring import (
    Rewriting,
    drawn_together,
    function_named,
    functions,
    in_steps,
    other_way_round,
    retold,
    spelt_otherwise,
    with_other_names,
)
from mutations.source import Source

SHARE: Final = 0.8  # of the places where something can be said otherwise, how many are
ROUNDS: Final = 2  # in which a function is taken apart and drawn together

NAMES: Final[Mapping[str, tuple[str, ...]]] = {
    "BiasedSelfAttention": ("AttentionWithBias", "DistanceAttention"),
    "Block": ("Layer", "TransformerBlock"),
    "CausalSelfAttention": ("MaskedAttention", "SelfAttention"),
    "Chunk": ("Piece", "Segment"),
    "FeedForward": ("PositionwiseMLP", "TwoLayers"),
    "GPT": ("LanguageModel", "DecoderOnly"),
    "GPTConfig": ("ModelSizes", "ModelSettings"),
    "GPTModel": ("LanguageModel", "DecoderOnly"),
    "MLP": ("FeedForward", "PositionwiseMLP"),
    "ModelArgs": ("ModelSizes", "ModelSettings"),
    "MultiHeadAttention": ("ManyHeads", "HeadedAttention"),
    "MultiHeadSelfAttention": ("ManyHeads", "HeadedAttention"),
    "NoPositions": ("WithoutPositions", "NothingAdded"),
    "RMSNorm": ("RootMeanSquareNorm", "ScaleNorm"),
    "RotarySelfAttention": ("TurningAttention", "AttentionByRotation"),
    "SinusoidalPositions": ("SineTable", "WavePositions"),
    "Trainer": ("Training", "Fitting"),
    "Transformer": ("LanguageModel", "DecoderOnly"),
    "TransformerBlock": ("Block", "DecoderLayer"),
    "_build_classifier": ("_make_class_head", "_new_classifier"),
    "_check_length": ("_require_room", "_refuse_overlong"),
    "_classify": ("_class_logits_of", "_read_classes"),
    "_forward_ragged": ("_forward_uneven", "_read_uneven_rows"),
    "_generate_incrementally": ("_generate_with_cache", "_continue_with_cache"),
    "_init_weights": ("_draw_weights", "_reset_weights"),
    "_merge": ("_join_heads", "_unite"),
    "_read": ("_run_blocks", "_through_blocks"),
    "_split": ("_cut_heads", "_divide"),
    "alibi_slopes": ("slopes_of_heads", "head_slopes"),
    "attend": ("attention", "look_up"),
    "build_attention": ("make_attention", "attention_for"),
    "build_positions": ("make_positions", "positions_for"),
    "calc_loss_batch": ("loss_of_batch", "batch_objective"),
    "causal_mask": ("future_mask", "upper_triangle"),
    "class_accuracy": ("label_accuracy", "share_of_hits"),
    "classifier_loss": ("label_objective", "loss_of_labels"),
    "embed": ("embed_tokens", "first_stream"),
    "in_order": ("rearranged", "picked_by_row"),
    "language_model_loss": ("next_token_loss", "text_objective"),
    "lay_out_rows": ("arrange_rows", "plan_rows"),
    "other_attention": ("followup_attention", "special_attention"),
    "other_positions": ("followup_positions", "special_positions"),
    "rotate": ("turn_pairs", "rotated"),
    "train_model_simple": ("train_simply", "plain_training"),
    "wavelengths": ("wave_lengths", "periods"),
}
"""What classes, functions and methods of code of this kind may be called as well."""


def in_other_words(
    files: Mapping[str, str], seed: int, *, kept: Collection[str] = (), callers: Mapping[str, str] | None = None
) -> dict[str, str]:
    """The files of a package, put in other words; the same seed gives the same words.

    Args:
        kept: names that stay, beside those of the contract.
        callers: files beside the package that call it as `model.name` or `train.name`: they are changed alike, and
            stand in what is returned. Without any, the names of the contract stay; with some, theirs are all there is.
    """
    callers = callers or {}
    package = {file: Source(file, text) for file, text in files.items()}
    beside = {file: Source(file, text) for file, text in callers.items()}
    fixed = {part for names in CONTRACT.values() for name in names for part in name.split(".")}
    stay = set(kept) if callers else {*kept, *fixed}
    generator = Random(f"in other words {seed}")
    names = _new_names(package, beside, stay, generator)
    texts = {file: _with_names(source, names) for file, source in {**package, **beside}.items()}
    keywords = {
        cst.ensure_type(node, cst.Arg).keyword
        for source in (*package.values(), *beside.values())
        for node in source.find(m.Arg(keyword=m.Name()))
    }
    handed_by_name = {keyword.value for keyword in keywords if keyword is not None}
    for file in package:
        source = Source(file, texts[file])
        edits = list(_rewritten_functions(source, generator, stay, handed_by_name))
        texts[file] = splice(texts[file], edits)
        source = Source(file, texts[file])
        texts[file] = splice(texts[file], list(_reordered(source, generator)))
    return texts


# Names of definitions


def _new_names(
    package: Mapping[str, Source], beside: Mapping[str, Source], stay: Collection[str], generator: Random
) -> dict[str, str]:
    """New names for classes, functions and methods that no code outside knows, and that mean nothing else anywhere."""
    sources = [*package.values(), *beside.values()]
    words = {word for source in sources for word in re.findall(r"\w+", source.module.code)}
    meaning_more = {word for source in sources for word in _meaning_more(source, package)}
    defined = {
        node.name.value
        for source in package.values()
        for node in source.find(m.FunctionDef() | m.ClassDef())
        if isinstance(node, cst.FunctionDef | cst.ClassDef)
    }
    chosen: dict[str, str] = {}
    for old in sorted(defined - set(stay) - meaning_more):
        free = [new for new in NAMES.get(old, ()) if new not in words and new not in chosen.values()]
        if free:
            chosen[old] = generator.choice(free)
    return chosen


def _meaning_more(source: Source, package: Mapping[str, Source]) -> Iterator[str]:
    """Names in a file that are, or may be, those of something else than a definition of the package."""
    modules = {file.removesuffix(".py") for file in package}
    is_caller = source.file not in package
    for node in source.find(m.Name()):
        name, parent = cst.ensure_type(node, cst.Name), source.parent(node)
        match parent:
            case cst.Param() if parent.name is name:
                yield name.value
            case cst.AssignTarget() | cst.AnnAssign() | cst.AugAssign() | cst.For() | cst.CompFor():
                yield from [name.value] if getattr(parent, "target", None) is name else []
            case cst.Arg() if parent.keyword is name:
                yield name.value
            case cst.Element() | cst.StarredElement():
                yield name.value  # it may be one of several targets
            case cst.Attribute() if parent.attr is name:
                around = source.parent(parent)
                of_module = m.matches(parent.value, m.OneOf(*(m.Name(module) for module in sorted(modules))))
                of_library = isinstance(parent.value, cst.Name) and parent.value.value in _LIBRARIES
                if of_library or isinstance(around, cst.AssignTarget) or (is_caller and not of_module):
                    yield name.value
            case cst.ImportAlias():
                statement = source.parent(parent)
                is_ours = isinstance(statement, cst.ImportFrom) and m.matches(
                    statement.module or cst.Name("_"), m.OneOf(*(m.Name(module) for module in sorted(modules)))
                )
                yield from [] if is_ours else [name.value]
            case cst.AsName() | cst.NameItem():
                yield name.value
    for node in source.find(m.SimpleString() | m.FormattedStringText()):
        if not _is_docstring(source, node):
            yield from re.findall(r"\w+", source.code(node))


_LIBRARIES: Final = frozenset({"torch", "nn", "F", "math", "np", "random", "optim", "init"})


def _with_names(source: Source, names: Mapping[str, str]) -> str:
    edits = [
        source.replace(node, names[cst.ensure_type(node, cst.Name).value])
        for node in source.find(m.Name())
        if cst.ensure_type(node, cst.Name).value in names
    ]
    spoken = {old: new for old, new in names.items() if "_" in old.strip("_") or re.search("[a-z][A-Z]", old)}
    for node in source.find(m.Comment() | m.SimpleString()):
        said = source.code(node)
        if isinstance(node, cst.Comment) or _is_docstring(source, node):
            changed = retold(said, spoken)
            for old, new in names.items():
                changed = re.sub(rf"`{re.escape(old)}\b", f"`{new}", changed)
            edits += [source.replace(node, changed)] if changed != said else []
    return splice(source.module.code, edits)


def _is_docstring(source: Source, node: cst.CSTNode) -> bool:
    return isinstance(source.parent(node), cst.Expr)


# What functions do


def _rewritten_functions(
    source: Source, generator: Random, stay: Collection[str], keywords: Collection[str]
) -> Iterator[Edit]:
    """Each function by itself, one edit each."""
    for name, function in functions(source):
        start, end = source.span(function)
        start, end = source.line_start(start), source.block_end(start, end)
        head = "" if source.code_between(start, start + 1).strip() else "class _:\n"
        own_name = function.name.value
        is_known = own_name in stay or own_name == "forward" or own_name.startswith("__")
        text = _rewritten(source.file, head + source.code_between(start, end), "_." * ("." in name) + own_name,
                          generator, keywords, parameters=not is_known)  # fmt: skip
        if text.removeprefix(head) != source.code_between(start, end):
            yield source.replace_span(start, end, text.removeprefix(head))


def _rewritten(
    file: str, text: str, name: str, generator: Random, keywords: Collection[str], *, parameters: bool
) -> str:
    def named(source: Source, function: cst.FunctionDef) -> str | None:
        return with_other_names(source, function, chosen, parameters=parameters, kept=keywords)

    def spelt(source: Source, function: cst.FunctionDef) -> str | None:
        return spelt_otherwise(source, function, lambda: generator.random() < SHARE)

    def chosen(names: Sequence[str]) -> str | None:
        return generator.choice(list(names)) if generator.random() < SHARE else None

    moves: list[Rewriting] = [drawn_together, spelt, other_way_round, *[in_steps] * ROUNDS, named]
    for move in moves:
        if generator.random() >= SHARE:
            continue
        source = Source(file, text)
        function = function_named(source, name)
        text = (move(source, function) if function is not None else None) or text
    return text


# In which order things stand


def _reordered(source: Source, generator: Random) -> Iterator[Edit]:
    """Functions that stand in a row change places, and so do methods; what makes an object stays first."""
    for row in _rows(source):
        names = [function.name.value for function in row]
        if len(set(names)) < len(row) or any(_needs_before(source, function, names) for function in row):
            continue
        spans = [_with_comments(source, function) for function in row]
        texts = [source.code_between(*span) for span in spans]
        generator.shuffle(texts)
        yield from (
            source.replace_span(*span, text)
            for span, text in zip(spans, texts, strict=True)
            if source.code_between(*span) != text
        )


def _rows(source: Source) -> Iterator[list[cst.FunctionDef]]:
    classes = [cst.ensure_type(node, cst.ClassDef) for node in source.find(m.ClassDef())]
    for body in [source.module.body, *(each.body.body for each in classes)]:
        row: list[cst.FunctionDef] = []
        end = 0
        for statement in body:
            if not isinstance(statement, cst.FunctionDef) or statement.name.value == "__init__":
                yield from [row] if len(row) > 1 else []
                row = []
                continue
            start, last = _with_comments(source, statement)
            if row and source.code_between(end, start).strip():
                yield from [row] if len(row) > 1 else []
                row = []
            row.append(statement)
            end = last
        yield from [row] if len(row) > 1 else []


def _needs_before(source: Source, function: cst.FunctionDef, names: Collection[str]) -> bool:
    """Whether defining a function reads another one of its row."""
    parts: list[cst.CSTNode] = [*function.decorators, function.params]
    return any(cst.ensure_type(name, cst.Name).value in names for part in parts for name in source.find(m.Name(), part))


def _with_comments(source: Source, function: cst.FunctionDef) -> tuple[int, int]:
    start, end = source.span(function)
    end = source.block_end(start, end)
    start = source.line_start(start)
    while (above := source.line_start(start - 1)) < start and source.code_between(above, start).lstrip()[:1] == "#":
        start = above
    return start, end
