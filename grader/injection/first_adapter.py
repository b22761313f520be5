"""A first adapter.py for a GPT of one's own, read off its source without running it.

Names of sizes, the modules that constructors make, and what `forward` returns say most of it. What they do not say
stands there as a ``TODO``.
"""

import json
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final, NamedTuple

import libcst as cst
from libcst import matchers as m

from grader.errors import UsageError
from grader.injection.library_model import configuration_of, decoding
from grader.limits import SUBMISSION_FILE_MAX_BYTES
from grader.sandbox.questions import ADAPTER
from grader.submission.read import Submission, is_made_up, read_files, read_submission
from mutations.roles.configurations import Configuration, fields_of
from mutations.roles.models import Model, Parameter, method, models_in, parameters_of
from mutations.roles.parameters import Names, names_of
from mutations.source import Source, together

MODEL: Final = "model.py"
SHOWN_LENGTH: Final = 80  # characters of a line that is no Python
WIDTH: Final = (
    r"n_?embd|n_?embed|emb(ed|edding)?_?(dim|size)|d_?model|model_?dim|dim|hidden_size|n_?state|width|channels"
)
WIDTH_IF_NO_OTHER: Final = r"hidden(_?dim)?|n_?hidden"
# What sizes are called: whole names, the first that matches.
SIZES: Final = (
    (r"(n_?|num_?|padded_?)?vocab(ulary)?(_?size)?|(n|num)_?tokens?|ntokens?", "sizes.vocab_size"),
    (
        r"block_?size|context(_?(length|len|size|window))?|ctx(_?(len|size))?|n_?ctx|n_positions|"
        r"max_?(seq(uence)?_?)?(len|length)|max_position_embeddings|seq(uence)?_?(len|length)",
        "sizes.block_size",
    ),
    (r"((n|num)_?)?(kv|key_value|local|query_group)_?(heads?|groups?)|n_query_groups", "sizes.n_head"),
    (r"(n|num)?_?(attention_)?heads?", "sizes.n_head"),
    (r"(n|num)_?(hidden_|transformer_)?(layers?|blocks?)|depth|layers", "sizes.n_layer"),
    (WIDTH, "sizes.d_model"),
    (r"head_?(dim|size)|d_?head|d_k", "sizes.d_model // sizes.n_head"),
    (r".*drop.*", "sizes.dropout"),
)
# What a model asks for beside: any such value builds it.
OTHERS: Final = (
    (r"n_inner|intermediate_?(size|dim)|d_?(ff|mlp)|(ff|ffn|mlp|feed_?forward)_?(dim|size|hidden)|hidden(_?dim)?",
     "4 * sizes.d_model"),
    (r".*bias.*", "True"),
    (r".*eps(ilon)?", "1e-5"),
    (r".*(theta|base)", "10000.0"),
    (r".*(mult|ratio|expansion)", "4"),
    (r"device", '"cpu"'),
    (r"attn_implementation", '"eager"'),
)  # fmt: skip
NEEDED: Final = ("vocab_size", "block_size", "n_layer", "n_head", "d_model")
ROTARY: Final = re.compile(r"rotary|rope|freqs_c|rotate_half", re.IGNORECASE)
EVEN: Final = (
    "    width = -(-sizes.d_model // (2 * sizes.n_head)) * 2 * sizes.n_head  # an even number for each head, rounded up"
)
# Prints nothing of a text that is Python, else the line and what is wrong; it ends with 1 where that is the depth.
READ: Final = """
import json, sys
try:
    compile(sys.stdin.buffer.read().decode(), "read", "exec", dont_inherit=True)
except SyntaxError as error:
    print(json.dumps([error.lineno or 0, error.msg]))
except ValueError as error:
    print(json.dumps([None, str(error)]))
except (RecursionError, MemoryError):
    sys.exit(1)
"""
TARGETS: Final = re.compile("targets?|labels?|y")
LAST_ALONE: Final = re.compile(r"\[:, (\[-1\]|-1:?)(, :)?\]")
PAIRS: Final = "[(batch.tokens, batch.targets) for batch in batches]"
# What a loop asks for.
LOOP: Final = (
    (r"model|net|gpt", "net"),
    (r"batches|(train_?|data_?)?loader|data", PAIRS),
    (r"lr|learning_rate|max_lr", "settings.lr"),
    (r"weight_decay", "settings.weight_decay"),
    (r"grad_?clip|max_norm|grad_norm_clip", "settings.grad_clip"),
    (r"warmup(_steps|_iters)?", "settings.warmup"),
    (r"(max_)?(steps|iters)", "len(batches)"),
    (r"device", '"cpu"'),
)


class FirstAdapter(NamedTuple):
    """What was found.

    Attributes:
        text: an adapter.py.
        found: in a few words each.
    """

    text: str
    found: tuple[str, ...]


class Read(NamedTuple):
    """The source of a GPT.

    Attributes:
        files: source text by file name; a model.py is among them.
        renamed: the file that stands there as model.py; None where one is called so.
    """

    files: dict[str, str]
    renamed: str | None


def read_source(directory: Path) -> Read:
    """The Python files of a directory; without a model.py, that one of them which has a model.

    Raises:
        UsageError: there is no directory, no Python in it, or it cannot be read.
    """
    expected = "expected a directory with the Python files of a GPT"
    if not directory.is_dir():
        kind = "not a directory" if directory.exists() else "no such directory"
        raise UsageError(f"{kind}: {str(directory)!r}; {expected}")
    try:
        found = {path.name: path for path in sorted(directory.iterdir()) if path.suffix == ".py" and path.is_file()}
        if MODEL in found:
            return Read(_readable(read_submission(directory.resolve()), directory), None)
        if not found.keys() - {ADAPTER}:
            raise UsageError(f"no Python file in {str(directory)!r}; {expected}")
        if large := [name for name, path in found.items() if path.stat().st_size > SUBMISSION_FILE_MAX_BYTES]:
            raise UsageError(f"{large[0]} in {str(directory)!r} is larger than {SUBMISSION_FILE_MAX_BYTES >> 10} KiB")
        given = {name: path.read_bytes() for name, path in found.items()}
    except OSError as error:
        raise UsageError(f"cannot read {str(directory)!r}: {error.strerror}; {expected}") from None
    files = _readable(read_files({**given, MODEL: ""}), directory)
    models = models_in(parsed({name: text for name, text in files.items() if name not in (MODEL, ADAPTER)}))
    if not models:
        raise _nothing_in(name for name in files if name not in (MODEL, ADAPTER))
    renamed = models[0].source.file
    text = files.pop(renamed)
    return Read({**files, MODEL: text}, renamed)


def _readable(submission: Submission, directory: Path) -> dict[str, str]:
    if submission.notes:
        raise UsageError(f"{str(directory)!r} cannot be read whole: {'; '.join(submission.notes)}")
    return {name: text for name, text in submission.files.items() if not is_made_up(text, f"there is no {name}")}


def todos(text: str) -> list[tuple[int, str]]:
    """What is left to do in an adapter.py, with its line."""
    lines = enumerate(text.splitlines(), 1)
    return [(number, line.partition("# TODO: ")[2]) for number, line in lines if "# TODO: " in line]


def first_adapter(files: Mapping[str, str]) -> FirstAdapter:
    """Write an adapter.py for a package.

    Args:
        files: source text by file name.

    Raises:
        UsageError: a file is no Python, or no model can be told in any of them.
    """
    sources = parsed(files)
    models = models_in(sources)
    if not models:
        raise _nothing_in(files)
    return _Writer(sources, models[0], models[1:]).adapter()


def parsed(files: Mapping[str, str]) -> dict[str, Source]:
    """The trees of all files. Raises ``UsageError`` for one that is no Python."""
    for name, text in files.items():
        _require_python(name, text)
    try:
        return together(files)
    except (cst.ParserSyntaxError, RecursionError) as error:
        why = "is nested too deep" if isinstance(error, RecursionError) else f"cannot be read: {error.message}"
        raise UsageError(f"{' or '.join(sorted(files))} {why}; fix it and try again") from None


def _require_python(name: str, text: str) -> None:
    """Raise ``UsageError`` for what Python itself cannot read: the trees' parser dies of what is nested too deep.

    A process of its own reads it, since Python's own reader may die of such a text too. Nothing of it is run.
    """
    done = subprocess.run(
        [sys.executable, "-I", "-W", "ignore", "-c", READ], input=text.encode(), capture_output=True, check=False
    )
    if not done.returncode and not done.stdout:
        return
    if done.returncode:
        raise UsageError(f"{name} is nested too deep for Python; fix it and try again")
    number, why = json.loads(done.stdout)
    if number is None:  # such as a null byte
        raise UsageError(f"{name} is no Python: {why}; fix it and try again")
    line = "".join([*text.splitlines(), ""][(number or 1) - 1 :][:1]).strip()
    shown = f"{line!r}" if len(line) <= SHOWN_LENGTH else f"{line[:SHOWN_LENGTH]!r}..."
    raise UsageError(f"{name}, line {number} is no Python: {shown} ({why}); fix it and try again")


def _nothing_in(files: Iterable[str]) -> UsageError:
    return UsageError(
        f"no GPT found in {', '.join(sorted(files))}; expected a class that makes its layers and its table of tokens "
        "in __init__, and has a method forward. docs/bring-your-own.md says how an adapter.py is written by hand"
    )


class _Call(NamedTuple):
    """How forward is called, and what part of what it returns is the logits."""

    logits: list[str]
    loss: list[str]


@dataclass
class _Writer:
    sources: Mapping[str, Source]
    model: Model
    others: Sequence[Model]

    def __post_init__(self) -> None:
        self._configuration = Configuration(self.sources, self.model)
        self._of_library = configuration_of(self.model.source)

    def adapter(self) -> FirstAdapter:
        """The text, with what it was made of."""
        names = names_of(self.sources, self.model.source, self.model.node)
        build, made_from = self._build()
        call = self._call()
        parts = [f'"""How {self.model.name} is built and called, and what its parameters are called."""', _names(names)]
        if self._of_library is not None:
            parts[1] = f'IMPORTS = ("{self._of_library.module}",)\n{parts[1]}'
        if len(self.others):
            listed = ", ".join(each.name for each in self.others)
            parts.append(f"# TODO: {self.model.name} is taken for the model; say in `build` if it is {listed}.")
        parts += ["\n" + "\n".join(build), "\n" + "\n".join(call.logits)]
        parts += [
            "\n" + "\n".join(lines) for lines in (call.loss, self._generate(), self._decode(), self._run()) if lines
        ]
        text = "\n\n".join(part.rstrip("\n") for part in parts) + "\n"
        text = re.sub(r"\n{4,}", "\n\n\n", text)
        found = (
            f"the model: {self.model.name} in {self.model.source.file}, made from {made_from}",
            f"roles of {len(names.roles)} kinds of parameters",
        )
        return FirstAdapter(text, found)

    # build

    def _build(self) -> tuple[list[str], str]:
        parameters = parameters_of(self.model.source, method(self.model.node, "__init__"))
        config = self._config(parameters)
        if config is None:
            made, made_from = self._made(self._class("model", self.model), parameters), "its arguments"
        else:
            made, made_from = config
            made = [f"{self._class('model', self.model)}(", *(f"    {line}" for line in made), ")"]
            made[-2] += ","
        lines = ["def build(model, sizes):", *self._imports()]
        if any(ROTARY.search(source.code(source.module)) for source in self._configuration.built_of()):
            made = [line.replace("sizes.d_model", "width") for line in made]
            lines.append(EVEN)
        if "SimpleNamespace(" in "\n".join(made):
            lines.insert(1, "    from types import SimpleNamespace\n")
        text = "\n".join(made)
        lines += [
            f"    # TODO: {size}: nothing that the model is made from has a name for it"
            for size in NEEDED
            if f"sizes.{size}" not in text and not (size == "d_model" and EVEN in lines)
        ]
        return [*lines, f"    return {made[0]}", *(f"    {line}" for line in made[1:])], made_from

    def _class(self, module: str, model: Model) -> str:
        return f"{module}.{model.name}" if model.source.file == MODEL else model.name

    def _imports(self) -> list[str]:
        needed = [
            each
            for each in (self.model, self._configuration.settings())
            if each is not None and each.source.file != MODEL
        ]
        return [f"    from {each.source.file.removesuffix('.py')} import {each.name}\n" for each in needed]

    def _config(self, parameters: Sequence[Parameter]) -> tuple[list[str], str] | None:
        """The one argument of a model that is made from a configuration, and what it is in words."""
        used = self._configuration.read()
        if used is None:
            return None
        if self._of_library is not None:
            name = self._of_library.name
            return self._made(f"model.{name}", self._sizes_in(used[1])), f"{name} of its library"
        settings = self._configuration.settings()
        if settings is not None:
            return self._made(self._class("model", settings), fields_of(settings)), settings.name
        fields = [Parameter(name, "", None) for name in used[1]]
        if used[0] == "dict":
            return self._made("", fields), "a dict"
        return self._made("SimpleNamespace", fields), "an object with attributes"

    @staticmethod
    def _sizes_in(read: Iterable[str]) -> list[Parameter]:
        """What of a library's configuration sets sizes: all else has a default, but for attention that can be read."""
        sizes = [name for name in read if _matching(name, (*SIZES, *OTHERS[:1])) is not None]
        return [Parameter(name, "", None) for name in (*sizes, "attn_implementation")]

    @staticmethod
    def _made(made: str, fields: Sequence[Parameter]) -> list[str]:
        """A call with a line for each field, or a dict without a name; what has a default may be left out."""
        has_width = any(re.fullmatch(WIDTH, field.name, re.IGNORECASE) for field in fields)
        lines = []
        for field in fields:
            table = SIZES if has_width else (*SIZES, (WIDTH_IF_NO_OTHER, "sizes.d_model"))
            value = _matching(field.name, table)
            if value is None and field.default is not None:
                continue
            value = value or _matching(field.name, OTHERS)
            todo = "" if value else f"  # TODO: what {field.name} is"
            start = f"{field.name}=" if made else f"{json.dumps(field.name)}: "
            lines.append(f"    {start}{value or 'None'},{todo}")
        return [f"{made}(" if made else "{", *lines, ")" if made else "}"]

    # forward

    def _call(self) -> _Call:
        source, forward = self.model.source, method(self.model.node, "forward")
        assert forward is not None
        tokens, *rest = parameters_of(source, forward) or [Parameter("tokens", "", None)]
        targets = next((each for each in rest if TARGETS.fullmatch(each.name)), None)
        unknown = [each for each in rest if each.default is None and each is not targets]
        extra = "".join(f", {each.name}=None" for each in unknown)
        both = "" if targets is None else ", {}" if rest[0] is targets else f", {targets.name}={{}}"
        last_alone = targets is not None and LAST_ALONE.search(source.code(forward)) is not None
        needs_targets = targets is not None and (last_alone or targets.default is None)
        call = f"net(tokens{both.format('tokens') if needs_targets else ''}{extra})"
        lines = ["def logits(net, tokens):"]
        lines += [f"    # TODO: what {each.name} of forward is; {tokens.name} are the tokens" for each in unknown]
        why = "  # without targets only the last position is scored" if last_alone else ""
        shapes = self._returned(forward)
        if len({shape for shape in shapes if shape != "loss"}) > 1:
            lines += [f"    out = {call}{why}", "    return out[0] if isinstance(out, tuple) else out"]
        else:
            lines.append(f"    return {call}{next(iter(shapes), '')}{why}")
        loss = self._loss(forward, f"net(batch.tokens{both.format('batch.targets')}{extra})") if targets else []
        return _Call(lines, loss)

    def _returned(self, forward: cst.FunctionDef) -> list[str]:
        """What stands behind a call for its logits, by what forward returns: `[0]`, `.logits` or nothing."""
        shapes: dict[str, None] = {}
        for value in self._results(forward):
            code = self.model.source.code(value)
            if isinstance(value, cst.Tuple):
                elements = [self.model.source.code(element.value) for element in value.elements]
                shapes[f"[{next((i for i, each in enumerate(elements) if 'logit' in each), 0)}]"] = None
            elif isinstance(value, cst.Dict):
                shapes['["logits"]'] = None
            elif isinstance(value, cst.Call) and re.search(r"\blogits=", code):
                shapes[".logits"] = None
            elif code == "loss":
                continue
            else:
                shapes[""] = None
        return list(shapes)

    def _results(self, forward: cst.FunctionDef) -> Iterator[cst.BaseExpression]:
        for node in self.model.source.find(m.Return(), within=forward):
            value = cst.ensure_type(node, cst.Return).value
            if self.model.source.scope(node) is forward and value is not None:
                yield from (value.body, value.orelse) if isinstance(value, cst.IfExp) else (value,)

    def _loss(self, forward: cst.FunctionDef, call: str) -> list[str]:
        source = self.model.source
        code = source.code(forward)
        if re.search(r"labels\[\.\.\., 1:\]|labels\[:, 1:\]|pad\(labels|shift", code):
            return ["# TODO: forward moves its labels by itself, and those of a batch are moved already: write `loss`."]
        head = "def loss(train, net, batch):"
        for value in self._results(forward):
            if isinstance(value, cst.Tuple):
                for index, element in enumerate(value.elements):
                    if re.search("loss|cross_entropy", source.code(element.value)):
                        return [head, f"    return {call}[{index}]"]
        kept = re.search(r"self\.(\w*loss\w*) = (?!None)", code)
        return [head, f"    {call}", f"    return net.{kept[1]}"] if kept else []

    # What else can be asked

    def _generate(self) -> list[str]:
        found = method(self.model.node, "generate")
        names = {each.name: each for each in parameters_of(self.model.source, found)}
        greedy = next((f"{name}={value}" for name, value in GREEDY.items() if name in names), None)
        unknown = [each.name for each in list(names.values())[2:] if each.default is None and each.name not in GREEDY]
        if found is None:
            return []
        if greedy is None or unknown or len(names) < 2:
            return [
                f"# TODO: generate, if {self.model.name}.generate({', '.join(names)}) can take the likeliest token."
            ]
        return ["def generate(net, prompt, count, use_cache):", f"    return net.generate(prompt, count, {greedy})"]

    def _decode(self) -> list[str]:
        parameters = parameters_of(self.model.source, method(self.model.node, "forward"))
        cache = [each.name for each in parameters if re.search("cache|past|start_pos|input_pos|memory", each.name)]
        if not cache:
            return []
        known = decoding(self.model.source, [each.name for each in parameters])
        return known or [
            f"# TODO: decode, pack and unpack, with {', '.join(cache)} of forward; without them no cache is asked for."
        ]

    def _run(self) -> list[str]:
        loop = self.sources.get("train.py", self.sources[self.model.source.file])
        functions = [
            node for node in loop.module.body if isinstance(node, cst.FunctionDef) and node.name.value != "main"
        ]
        for function in functions:
            parameters = [each for each in parameters_of(loop, function) if each.default is None]
            values = [_matching(each.name, LOOP) for each in parameters]
            batches = [each.name for each, value in zip(parameters, values, strict=True) if value == PAIRS]
            if (
                re.match("train|fit", function.name.value)
                and "net" in values
                and all(values)
                and len(batches) == 1
                and re.search(
                    rf"for (\w+, \(\w+, \w+\) in enumerate\(|\w+, \w+ in ){batches[0]}\b", loop.code(function)
                )
            ):
                given = [f"        {each.name}={value}," for each, value in zip(parameters, values, strict=True)]
                call = [f"    return train.{function.name.value}(", *given, "    )"]
                lines = ["def run(train, net, batches, settings):", *call]
                return [*lines, *self._stand_in(loop)]
        lines = ["# TODO: write `run`, or `optimizer` and `step`; without them nothing is asked about training."]
        signatures = [
            f"#     {function.name.value}({', '.join(each.name for each in parameters_of(loop, function))})"
            for function in functions
        ]
        return [*lines, f"# {loop.file} has:", *signatures] if signatures else lines

    def _stand_in(self, loop: Source) -> list[str]:
        """Where the loop wants a method of the model, a model of the grader's own is given it."""
        name = "configure_optimizers"
        if method(self.model.node, name) is None or not loop.find(m.Attribute(attr=m.Name(name))):
            return []
        module = self.model.source.file.removesuffix(".py")
        return [
            "\n\ndef stand_in(train, small):",
            f"    from {module} import {self.model.name}\n",
            f"    small.{name} = {self.model.name}.{name}.__get__(small)",
            "    return small",
        ]


GREEDY: Final = {"do_sample": "False", "top_k": "1"}


def _matching(name: str, table: Sequence[tuple[str, str]]) -> str | None:
    return next((value for pattern, value in table if re.fullmatch(pattern, name, re.IGNORECASE)), None)


def _names(names: Names) -> str:
    """NAMES and TRANSPOSED."""
    lines = []
    for pattern, roles in names.roles.items():
        written = [_quoted(role) for role in roles]
        if len(written) == 1:
            lines.append(f'    r"{pattern}": {written[0]},')
        else:
            lines += [f'    r"{pattern}": (', *(f"        {role}," for role in written), "    ),"]
    text = "\n".join(["NAMES = {", *lines, *(f"    # TODO: {todo}" for todo in names.todos), "}"])
    if names.transposed:
        text += "\nTRANSPOSED = (\n" + "".join(f'    r"{each}",\n' for each in names.transposed) + ")"
    return text


def _quoted(role: str) -> str:
    return f'r"{role}"' if "\\" in role else f'"{role}"'
