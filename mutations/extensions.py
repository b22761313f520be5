"""What each extension of a reference is made of, found by what the contract fixes and not by other names."""

from collections.abc import Callable, Iterable, Iterator
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.contract import CONTRACT, MODEL, TRAIN, is_needed
from mutations.errors import GapError
from mutations.roles.cache import joins
from mutations.roles.definitions import Code, Definition
from mutations.roles.heads import splits
from mutations.roles.layers import function_name
from mutations.roles.reads import reads
from mutations.roles.sizes import resolve
from mutations.source import Source

CACHE_TYPES = ("LayerKV", "KVCache")
INCREMENTAL = "forward_incremental"
WEIGHTINGS = ("constant_weight", "warmup_weight", "uncertainty_weighting", "gradient_norm_weight")
SCHEMES = ("sinusoidal", "rotary", "alibi", "relative")
LINEAR = m.Attribute(attr=m.Name("Linear")) | m.Name("Linear")
MODULE = m.Attribute(value=m.Name("nn"), attr=m.Name("Module")) | m.Name("Module")


class Extension(NamedTuple):
    """Something to build.

    Attributes:
        item: its id.
        what: its name in a sentence.
        words: how conditions speak of it; a function of it may only be called where one of them decides.
        parts: finds the functions and classes that it is made of.
    """

    item: str
    what: str
    words: tuple[str, ...]
    parts: Callable[[Code], list[Definition]]


def _cache(code: Code) -> list[Definition]:
    """Every `forward_incremental`, what calls one, and what handles keys and values that are kept."""
    if code.named(MODEL, f"GPT.{INCREMENTAL}") is None:
        raise GapError(f"kv-cache: looked for a method {INCREMENTAL} of the class GPT in {MODEL}, and found none")
    parts = [each for each in code.definitions if each.owner is not None and each.own_name == INCREMENTAL]
    for around, what in _cache_readers(code):
        if around in parts:
            continue
        if around is None or around.is_class or is_needed(around):
            raise GapError(
                f"kv-cache: {around.name if around else MODEL} has to do with {what} itself, and a plain model needs "
                "it; let a function of its own go the cached way, or keep the extension"
            )
        parts.append(around)
    return parts


def _cache_readers(code: Code) -> Iterator[tuple[Definition | None, str]]:
    """What mentions `forward_incremental` or the types of a cache, or joins what is new to what was kept."""
    types = {each for each in code.definitions if each.name in CACHE_TYPES}
    for mention in code.mentions:
        around = mention.within
        if mention.name == INCREMENTAL:
            yield around, INCREMENTAL
        elif mention.name in CACHE_TYPES and around is not None and not (around.is_class or around.owner in types):
            yield around, mention.name
    for source in _of_the_model(code):
        for keys, _ in joins(source):
            yield code.around(source, keys.line), "the keys and values of a cache"


def _heads(code: Code) -> list[Definition]:
    """Modules that deal their width out to heads, and the functions that make them."""
    modules = [each for each in code.definitions if _is_module(code, each) and each.own_name != "GPT"]
    parts = [each for each in modules if _deals_with_heads(code, each)]
    while further := [
        each for each in modules if each not in parts and any(map(parts.__contains__, _bases(code, each)))
    ]:
        parts += further
    return parts + _makers(code, "multi-head", parts)


def _classifier(code: Code) -> list[Definition]:
    """What makes the head, what reads it, and in the training what is given labels."""
    makers: list[Definition] = []
    for source, call in _class_maps(code):
        maker = code.around(source, call)
        layer = maker.owner if maker is not None and maker.own_name == "__init__" else None
        if layer is not None and layer.own_name != "GPT":
            makers += [layer, *_makers(code, "classifier", [layer])]
        elif maker is None or is_needed(maker):
            raise GapError(
                f"classifier: {maker.name if maker else MODEL} makes the linear map with n_classes outputs itself; let "
                "a method of its own make it and return it, or keep the extension"
            )
        else:
            makers.append(maker)
    if not makers:
        raise GapError(f"classifier: looked for a Linear with n_classes outputs in {MODEL}, and found none")
    readers = _head_readers(code, makers)
    if not readers:
        raise GapError(
            f"classifier: looked in {MODEL} for a function that reads what {makers[-1].name} makes, and found none"
        )
    labelled = _label_readers(code)
    if not labelled:
        raise GapError(f"classifier: looked in {TRAIN} for a function that is given a batch's labels, and found none")
    return list(dict.fromkeys([*makers, *readers, *labelled]))


def _schemes(code: Code) -> list[Definition]:
    """Functions and classes that ask whether a position scheme other than learned positions is wanted."""
    found = []
    for source, node in _everywhere(code, m.Comparison()):
        if any(_text(literal) in SCHEMES for literal in source.find(m.SimpleString(), within=node)):
            around = code.around(source, node)
            part = around.owner if around is not None and around.owner is not None else around
            if part is None or part.name in CONTRACT[MODEL]:
                raise GapError(
                    f"position-schemes: {around.name if around else source.file} picks a scheme itself, and a plain "
                    "model needs it; let a function of its own make what the scheme needs, or keep the extension"
                )
            found.append(part)
    return list(dict.fromkeys(found))


def _text(literal: cst.CSTNode) -> object:
    return cst.ensure_type(literal, cst.SimpleString).evaluated_value


def _weightings(code: Code) -> list[Definition]:
    """The ways to weigh the losses that the contract names."""
    found = [code.named(TRAIN, name) for name in WEIGHTINGS]
    return [each for each in found if each is not None]


EXTENSIONS = (
    Extension("kv-cache", "a cache", ("cache",), _cache),
    Extension("multi-head", "more heads than one", ("head",), _heads),
    Extension("position-schemes", "another position scheme", ("position",), _schemes),
    Extension("classifier", "a classifier", ("class", "cls", "label"), _classifier),
    Extension("loss-weighting", "a weighting of the losses", ("weight",), _weightings),
)


def _makers(code: Code, item: str, classes: Iterable[Definition]) -> list[Definition]:
    """The functions that mention one of these classes, all of which have to be free to be emptied."""
    classes = list(classes)
    found = []
    for each in classes:
        if each.name in CONTRACT[MODEL]:
            raise GapError(
                f"{item}: {each.name} cannot be removed, since the contract has it; build the extension in a class "
                "beside it, or keep the extension"
            )
        for mention in code.mentions_of(each):
            around = mention.within
            if around in classes or (around is not None and around.owner in classes):
                continue
            if around is None or around.is_class or is_needed(around):
                raise GapError(
                    f"{item}: {around.name if around else each.source.file} mentions {each.name} itself, and a plain "
                    "model needs it; let a function of its own make one and call that function, or keep the extension"
                )
            if not mention.in_body:
                raise GapError(
                    f"{item}: {each.name} cannot be removed while the signature of {around.name} names it; let it say "
                    "nn.Module, or keep the extension"
                )
            found.append(around)
    return list(dict.fromkeys(found))


def _deals_with_heads(code: Code, module: Definition) -> bool:
    """Whether a module does more with a number of heads than to compare it or to hand it to a constructor."""
    source = module.source
    if splits(source, within=module.node):
        return True
    for mention in code.mentions:
        if mention.name != "n_head" or module not in (mention.within, mention.within and mention.within.owner):
            continue
        parent = source.parent(mention.node)
        while isinstance(parent, cst.Arg):
            parent = source.parent(parent)
        constructs = isinstance(parent, cst.Call) and _is_class(code, source, parent.func)
        if not constructs and not isinstance(parent, cst.Comparison | cst.ComparisonTarget):
            return True
    return False


def _class_maps(code: Code) -> Iterator[tuple[Source, cst.Call]]:
    """Where the model makes a linear map with n_classes outputs, by its constructor or by what is handed that."""
    made = m.Call(func=LINEAR) | m.Call(args=[m.ZeroOrMore(), m.Arg(LINEAR), m.ZeroOrMore()])
    for source, node in _everywhere(code, made):
        call = cst.ensure_type(node, cst.Call)
        if any("n_classes" in source.code(resolve(source, arg.value)) for arg in call.args):
            yield source, call


def _head_readers(code: Code, makers: list[Definition]) -> list[Definition]:
    """Functions that do more with the head than to ask whether there is one."""
    names = set()
    for source, node in _everywhere(code, m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])):
        assignment = cst.ensure_type(node, cst.Assign)
        calls = source.find(m.Call(), within=assignment.value)
        made = {function_name(cst.ensure_type(call, cst.Call)) for call in calls}
        if any(maker.own_name in made for maker in makers) or (
            code.around(source, node) in makers and any(call in calls for _, call in _class_maps(code))
        ):
            names.add(cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value)
    found = []
    for mention in code.mentions:
        source, around = mention.source, mention.within
        is_head = source.file != TRAIN and isinstance(mention.node, cst.Attribute) and mention.name in names
        if not is_head or around in makers or around is None or around.own_name == "__init__":
            continue
        if isinstance(source.parent(mention.node), cst.AssignTarget) or _is_asked_for(source, mention.node):
            continue
        if is_needed(around):
            raise GapError(
                f"classifier: {around.name} reads {source.code(mention.node)} itself, and a plain model needs it; let "
                "a method of its own turn features into class logits, or keep the extension"
            )
        found.append(around)
    return found


def _is_asked_for(source: Source, node: cst.CSTNode) -> bool:
    """Whether a node is only compared with None."""
    return m.matches(
        source.parent(node), m.Comparison(comparisons=[m.ComparisonTarget(m.Is() | m.IsNot(), m.Name("None"))])
    )


def _label_readers(code: Code) -> list[Definition]:
    """Functions of train.py that are given labels, and those that take them out of a batch and do not pass them on."""
    source = _source(code, TRAIN)
    found = []
    for node in _labels(source):
        around = code.around(source, node)
        if around is not None and "Batch" in (around.name, around.owner and around.owner.name):
            continue
        receiver = _receiver(code, source, node)
        if receiver is not None and receiver.is_class:
            continue
        reader = receiver or around
        if reader is None or is_needed(reader):
            raise GapError(
                f"classifier: {reader.name if reader else TRAIN} works on a batch's labels itself, and a plain model "
                "needs it; let functions of their own compare class logits with labels, or keep the extension"
            )
        found.append(reader)
    return found


def _labels(source: Source) -> Iterator[cst.CSTNode]:
    """Where the labels of a batch are read, under their name in the batch or a local one."""
    third = m.Tuple(elements=[m.Element(), m.Element(), m.Element(m.Name())])
    locals_: list[tuple[cst.CSTNode, cst.Name]] = []
    for node in source.find(m.Attribute(attr=m.Name("labels"))):
        parent = source.parent(node)
        target = parent.targets[0].target if isinstance(parent, cst.Assign) and parent.value is node else None
        if isinstance(target, cst.Name):
            locals_.append((source.scope(node), target))
        elif not isinstance(parent, cst.AssignTarget):
            yield node
    for node in source.find(m.Assign(targets=[m.AssignTarget(third)], value=m.Name()) | m.For(target=third)):
        assert isinstance(node, cst.Assign | cst.For)
        target = node.targets[0].target if isinstance(node, cst.Assign) else node.target
        name = cst.ensure_type(target, cst.Tuple).elements[2].value
        locals_.append((source.scope(node), cst.ensure_type(name, cst.Name)))
    for scope, name in locals_:
        yield from (read for read in reads(source, name, within=scope) if read is not name)


def _receiver(code: Code, source: Source, node: cst.CSTNode) -> Definition | None:
    """The function or class of the same file that a value is passed to, maybe as a part of an argument."""
    while not isinstance(node, cst.BaseStatement):
        parent = source.parent(node)
        if isinstance(parent, cst.Call) and parent.func is not node:
            name = function_name(parent)
            is_own = m.matches(parent.func, m.Name() | m.Attribute(value=m.Name("self")))
            for each in code.definitions:
                if is_own and each.source is source and each.own_name == name:
                    return each
        node = parent
    return None


def _source(code: Code, file: str) -> Source:
    return next(source for source in code.sources if source.file == file)


def _of_the_model(code: Code) -> list[Source]:
    """All files but train.py: what stands beside model.py is taken for a part of the model."""
    return [source for source in code.sources if source.file != TRAIN]


def _everywhere(code: Code, matcher: m.BaseMatcherNode) -> Iterator[tuple[Source, cst.CSTNode]]:
    """What matches in the files of the model."""
    for source in _of_the_model(code):
        yield from ((source, node) for node in source.find(matcher))


def _is_class(code: Code, source: Source, function: cst.BaseExpression) -> bool:
    """Whether what is called is a class of these files."""
    found = _named(code, source, function)
    return found is not None and found.is_class


def _bases(code: Code, definition: Definition) -> list[Definition]:
    """The classes of these files that a class is derived from."""
    bases = cst.ensure_type(definition.node, cst.ClassDef).bases
    named = [_named(code, definition.source, base.value) for base in bases]
    return [base for base in named if base is not None]


def _named(code: Code, source: Source, expression: cst.BaseExpression) -> Definition | None:
    """What `name` or `file.name` stands for: a definition of the same file, or else of another one."""
    module, _, name = source.code(expression).rpartition(".")
    files = [f"{module}.py"] if module else [source.file, *(other.file for other in code.sources)]
    return next((found for file in files if (found := code.named(file, name)) is not None), None)


def _is_module(code: Code, definition: Definition) -> bool:
    """Whether a class is an nn.Module."""
    if not isinstance(definition.node, cst.ClassDef):
        return False
    if any(m.matches(base.value, MODULE) for base in definition.node.bases):
        return True
    return any(_is_module(code, base) for base in _bases(code, definition))
