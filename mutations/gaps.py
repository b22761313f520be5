"""Which functions and classes of a reference go, so that its extensions become the learner's to build.

What an extension is made of is found by what the contract fixes: `forward_incremental`, `n_head`, `n_classes`,
`labels`. Of that, a function is emptied if the contract or code that stays knows it by name; all else is removed, since
a stub would already say how the extension is built. What only the extension used goes with it.
"""

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import NamedTuple

import libcst as cst
from libcst import matchers as m

from mutations.edit import Edit
from mutations.errors import GapError
from mutations.roles.cache import joins
from mutations.roles.definitions import Code, Definition
from mutations.roles.guards import is_guarded
from mutations.roles.heads import splits
from mutations.roles.layers import function_name
from mutations.roles.reads import reads
from mutations.roles.sizes import resolve
from mutations.source import Source
from mutations.stub import empty, remove

MODEL, TRAIN = "model.py", "train.py"
CONTRACT = {
    MODEL: frozenset(
        {
            "GPTConfig",
            "SimpleSelfAttention",
            "LayerKV",
            "KVCache",
            "GPT",
            "GPT.forward",
            "GPT.forward_incremental",
            "GPT.generate",
        }
    ),
    TRAIN: frozenset(
        {
            "Batch",
            "TrainConfig",
            "seed_everything",
            "make_batch",
            "make_optimizer",
            "learning_rate",
            "loss_fn",
            "train_step",
            "train",
            "evaluate",
        }
    ),
}
CACHE_TYPES = ("LayerKV", "KVCache")
INCREMENTAL = "forward_incremental"
LINEAR = m.Attribute(attr=m.Name("Linear")) | m.Name("Linear")
MODULE = m.Attribute(value=m.Name("nn"), attr=m.Name("Module")) | m.Name("Module")


class Gap(NamedTuple):
    """A function or class that an item, or a follow-up beyond the items, asks the learner to build."""

    item: str
    edit: Edit


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


def find_gaps(sources: Mapping[str, Source], items: Collection[str] | None = None) -> tuple[Gap, ...]:
    """The gaps of all extensions, or of some, in the order of the text for each.

    A reference need not have more heads than one; the other extensions are a part of the contract.

    Raises:
        GapError: an extension cannot be found, or not be cut out without taking away what a plain model needs.
    """
    code = Code(sources[file] for file in (MODEL, TRAIN))
    chosen = [each for each in EXTENSIONS if items is None or each.item in items]
    parts = {extension.item: extension.parts(code) for extension in chosen}
    owned = {each for found in parts.values() for each in found}
    kept = _reached(code, owned)
    for extension in chosen:
        _check_guards(code, extension, parts[extension.item], kept - owned)
    gone = (_reached(code, frozenset()) | owned) - kept
    _check_no_class_is_left_empty(code, gone)
    gaps: list[Gap] = []
    claimed: set[Definition] = set()
    for extension in chosen:
        mine = _with_helpers(code, parts[extension.item], gone - owned) - claimed
        claimed |= mine
        gaps += [
            Gap(extension.item, (remove if each in gone else empty)(each.source, each.name))
            for each in code.definitions
            if each in mine and each.owner not in gone
        ]
    return tuple(gaps)


# What an extension is made of


def _cache(code: Code) -> list[Definition]:
    """Every `forward_incremental`, what calls one, and what handles keys and values that are kept."""
    if code.named(MODEL, f"GPT.{INCREMENTAL}") is None:
        raise GapError(f"kv-cache: looked for a method {INCREMENTAL} of the class GPT in {MODEL}, and found none")
    parts = [each for each in code.definitions if each.owner is not None and each.own_name == INCREMENTAL]
    for around, what in _cache_readers(code):
        if around in parts:
            continue
        if around is None or around.is_class or _is_needed(around):
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
    source = _source(code, MODEL)
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
    for call in _class_maps(code):
        maker = code.around(_source(code, MODEL), call)
        layer = maker.owner if maker is not None and maker.own_name == "__init__" else None
        if layer is not None and layer.own_name != "GPT":
            makers += [layer, *_makers(code, "classifier", [layer])]
        elif maker is None or _is_needed(maker):
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


EXTENSIONS = (
    Extension("kv-cache", "a cache", ("cache",), _cache),
    Extension("multi-head", "more heads than one", ("head",), _heads),
    Extension("classifier", "a classifier", ("class", "cls", "label"), _classifier),
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
            if around is None or around.is_class or _is_needed(around):
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


def _class_maps(code: Code) -> Iterator[cst.Call]:
    """Where model.py makes a linear map with n_classes outputs, by its constructor or by what is handed that."""
    source = _source(code, MODEL)
    for node in source.find(m.Call(func=LINEAR) | m.Call(args=[m.ZeroOrMore(), m.Arg(LINEAR), m.ZeroOrMore()])):
        call = cst.ensure_type(node, cst.Call)
        if any("n_classes" in source.code(resolve(source, arg.value)) for arg in call.args):
            yield call


def _head_readers(code: Code, makers: list[Definition]) -> list[Definition]:
    """Functions that do more with the head than to ask whether there is one."""
    source = _source(code, MODEL)
    names = set()
    for node in source.find(m.Assign(targets=[m.AssignTarget(m.Attribute(value=m.Name("self")))])):
        assignment = cst.ensure_type(node, cst.Assign)
        calls = source.find(m.Call(), within=assignment.value)
        made = {function_name(cst.ensure_type(call, cst.Call)) for call in calls}
        if any(maker.own_name in made for maker in makers) or (
            code.around(source, node) in makers and any(call in calls for call in _class_maps(code))
        ):
            names.add(cst.ensure_type(assignment.targets[0].target, cst.Attribute).attr.value)
    found = []
    for mention in code.mentions:
        is_head = mention.source is source and isinstance(mention.node, cst.Attribute) and mention.name in names
        around = mention.within
        if not is_head or around in makers or around is None or around.own_name == "__init__":
            continue
        if isinstance(source.parent(mention.node), cst.AssignTarget) or _is_asked_for(source, mention.node):
            continue
        if _is_needed(around):
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
        if reader is None or _is_needed(reader):
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


# What has to stay


def _is_needed(definition: Definition) -> bool:
    """Whether a plain model cannot do without a function or class: the contract or Python itself knows its name."""
    return definition.name in CONTRACT[definition.source.file] or definition.is_called_by_python


def _reached(code: Code, owned: Collection[Definition]) -> set[Definition]:
    """What the contract and the code at the top of a file lead to, where the bodies of owned functions lead nowhere.

    What nobody mentions is there for somebody else, and is kept with all that it leads to.
    """
    found: set[Definition] = set()
    waiting = [each for each in code.definitions if each.name in CONTRACT[each.source.file]]
    waiting += [each for mention in code.mentions if mention.within is None for each in code.meant(mention)]
    unmentioned = {each for each in code.definitions if not code.mentions_of(each)}
    waiting += [each for each in unmentioned if each.owner is None and each not in owned]
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            is_emptied = each in owned
            here = [mention for mention in code.mentions if mention.within is each]
            waiting += [led for mention in here if not (is_emptied and mention.in_body) for led in code.meant(mention)]
            methods = [method for method in code.definitions if method.owner is each and method not in owned]
            waiting += [method for method in methods if method.is_called_by_python or method in unmentioned]
    return found


def _check_guards(code: Code, extension: Extension, parts: list[Definition], kept: Collection[Definition]) -> None:
    """Whatever stays calls what is emptied only where the extension is asked for."""
    for part in parts:
        if _is_needed(part):
            continue
        caller = _unguarded_caller(code, extension, part, kept, frozenset({part}))
        if caller is not None:
            raise GapError(
                f"{extension.item}: {caller} calls {part.name} whether or not {extension.what} is asked for; let a "
                "condition decide, move what a plain model needs elsewhere, or keep the extension"
            )


def _unguarded_caller(
    code: Code, extension: Extension, part: Definition, kept: Collection[Definition], seen: frozenset[Definition]
) -> str | None:
    """Who of those that stay leads to a part where no condition on the way speaks of the extension."""
    for mention in code.mentions_of(part):
        around = mention.within
        if around is None:
            return mention.source.file
        if around not in kept or is_guarded(mention.source, mention.node, extension.words):
            continue
        if _is_needed(around) or not code.mentions_of(around):
            return around.name
        if around not in seen:
            caller = _unguarded_caller(code, extension, around, kept, seen | {around})
            if caller is not None:
                return around.name
    return None


def _check_no_class_is_left_empty(code: Code, gone: Collection[Definition]) -> None:
    removed = {each.node for each in gone}
    for each in code.definitions:
        if each.is_class and each not in gone and all(statement in removed for statement in each.node.body.body):
            raise GapError(f"{each.name} of {each.source.file} would be left empty; let a docstring say what it is for")


def _with_helpers(code: Code, parts: Iterable[Definition], helpers: Collection[Definition]) -> set[Definition]:
    """Parts, and those of the helpers that they lead to."""
    found: set[Definition] = set()
    waiting = list(parts)
    while waiting:
        each = waiting.pop()
        if each not in found:
            found.add(each)
            inner = {each, *(method for method in code.definitions if method.owner is each)}
            led = [other for mention in code.mentions if mention.within in inner for other in code.meant(mention)]
            waiting += [other for other in led if other in helpers]
    return found


# Small questions


def _source(code: Code, file: str) -> Source:
    return next(source for source in code.sources if source.file == file)


def _is_class(code: Code, source: Source, function: cst.BaseExpression) -> bool:
    """Whether what is called is a class of the file."""
    found = code.named(source.file, source.code(function))
    return found is not None and found.is_class


def _bases(code: Code, definition: Definition) -> list[Definition]:
    """The classes of the same file that a class is derived from."""
    bases = cst.ensure_type(definition.node, cst.ClassDef).bases
    named = [code.named(definition.source.file, definition.source.code(base.value)) for base in bases]
    return [base for base in named if base is not None]


def _is_module(code: Code, definition: Definition) -> bool:
    """Whether a class is an nn.Module."""
    if not isinstance(definition.node, cst.ClassDef):
        return False
    if any(m.matches(base.value, MODULE) for base in definition.node.bases):
        return True
    return any(_is_module(code, base) for base in _bases(code, definition))
