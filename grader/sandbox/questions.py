"""Everything a worker can be asked, and the two ways it can reply.

A question is a frozen value with everything in it that the answer depends on, so that the same
question can be put to the candidate, to the reference, to a variant of it, and to a fresh worker.
It names no check. Tensors travel beside it (``wire``); each docstring lists them as
``in: ...  out: ...``. B batch, T time, V vocabulary width, N steps or batches, L layers.
"""

from typing import Literal

import msgspec
from msgspec import Struct

Settings = dict[str, int | float | str]
Weighting = Literal["constant", "uncertainty", "gradient-norm"]
Modes = Literal["training", "eval", "mixed"]  # mixed: the root in training mode, every other module below it not
GivenOptimizer = Literal["momentum", "adamw", "amsgrad", "rms"]
Precision = Literal["float32", "float64", "bfloat16"]  # answers in bfloat16 come back as float32, which holds them


class Question(Struct, frozen=True, kw_only=True, tag_field="ask", forbid_unknown_fields=True):
    """Base of all questions."""


class Weights(Struct, frozen=True, forbid_unknown_fields=True):
    """Parameters drawn N(0, scale), each from its own stream keyed by seed, name and shape.

    Whatever is broken elsewhere in a model, a parameter of the same name and shape gets the same values.
    """

    seed: int
    scale: float = 0.5
    query_scale: float = 1.0  # extra factor on attention queries: large attention scores
    factors: dict[str, float] = {}  # by the end of a name: one more factor on those parameters; 0 silences them
    split_pairs: bool = False  # of queries and keys, channels 2i and 2i + 1 of a head are moved half a head apart
    graded: bool = False  # every parameter has a gradient, as after a backward pass
    warm: bool = False  # the model was asked about a text before, when its parameters were others


class ModelQuestion(Question, frozen=True, kw_only=True):
    """Base of the questions put to ``GPT(GPTConfig(**config))`` with given weights."""

    config: Settings
    weights: Weights
    precision: Precision = "float64"
    views: bool = False  # whether what forward, decoding and generating are given is part of longer tensors


class Import(Question, frozen=True, kw_only=True, tag="import"):
    """Import a module, and look whether it has these names. Replies with ``Raised`` where one of the two fails."""

    module: str
    names: tuple[str, ...] = ()


class Parameters(Question, frozen=True, kw_only=True, tag="parameters"):
    """The initial parameters of a model built right after ``torch.manual_seed(seed)``. out: one tensor a name, and
    with ``then_draw`` also then.drawn (then_draw,), what torch draws next."""

    config: Settings
    seed: int
    then_draw: int = 0


class Sharing(Question, frozen=True, kw_only=True, tag="sharing"):
    """Which parameters are one tensor. out: first.{name}, the place among all names, in their order, of the first
    parameter that lies in the same memory; its own place where there is none before it."""

    config: Settings


class Configs(Question, frozen=True, kw_only=True, tag="configs"):
    """The fields of GPTConfig that have a default. out: {field}: the default, a number as a scalar and a string as
    its bytes."""


class Offers(Question, frozen=True, kw_only=True, tag="offers"):
    """What an adapter.py has, and what it makes of a model's parameters. out: offers, a JSON object ``Offered``."""

    config: Settings


class Offered(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """What an adapter.py has.

    Attributes:
        functions: those of the optional ones that there are.
        parameters: by the model's own name, what the grader calls the parameter or its parts.
        unmatched: patterns of NAMES and TRANSPOSED that no parameter has a name for.
    """

    functions: tuple[str, ...]
    facts: dict[str, str]
    parameters: dict[str, tuple[str, ...]]
    unmatched: tuple[str, ...]


class TrainConfigs(Question, frozen=True, kw_only=True, tag="train-configs"):
    """The fields of TrainConfig that have a default. out: {field}: the default, as for ``Configs``."""


class Forward(ModelQuestion, frozen=True, kw_only=True, tag="forward"):
    """in: tokens.{i} (B, T). out: logits.{i} (B, T, V), with ``classify`` also class_logits.{i} (B, T, classes).

    ``position_rows`` replaces rows of the position table, one row an entry, for the forward of that index; in:
    position_table (block_size, C) replaces the whole table, and parameter.{name} any parameter, in place of what is
    drawn for it.
    With a ``seed``, torch is seeded before each forward: what dropout draws can be repeated. With ``modes`` each
    forward has the next seed. With ``initial`` torch is also seeded before the model is made, and the model keeps the
    parameters that it makes itself. With ``trace`` also out: strange.{i}, the name as bytes of the first module that
    made NaN or infinities of finite numbers; empty where none did.
    """

    classify: bool = False
    trace: bool = False
    training: bool = False  # the mode the model is in
    modes: tuple[bool, ...] = ()  # empty, or for each tokens.{i} whether the model is put in training mode for it
    recording: bool = False  # whether the forward is recorded for a backward pass
    initial: bool = False
    seed: int | None = None
    position_rows: tuple[int, ...] = ()  # empty, or one row for each tokens.{i}; -1 leaves the table alone


class Influence(ModelQuestion, frozen=True, kw_only=True, tag="influence"):
    """How the token at s moves the logits at t. in: tokens (1, T), all distinct.

    out: influence (T, T), ``[t, s]`` = max |d logits[t] / d embedding row of the token at s|; with ``at`` zero but for
    the rows t that it names.

    With ``alike`` all tokens have the embedding of token 0, though each a row of its own. Of one layer of one head,
    influence is then its attention weights, each row times a number: all values are the same, so that what is attended
    to instead does not matter, and a gradient tells how much of it.
    """

    alike: bool = False
    at: tuple[int, ...] = ()


class Gradients(ModelQuestion, frozen=True, kw_only=True, tag="gradients"):
    """How the logits move with each parameter. in: tokens (B, T), and lengths (B,) to go by ``forward_incremental``.

    out: grad.{name}, d (logits . probe) / d parameter for a probe (V,) drawn with the weights; absent where the
    logits do not depend on the parameter; ``with_logits`` also logits (B, T, V). With lengths the logits of padding
    are not probed.
    """

    with_logits: bool = False


class Derivatives(ModelQuestion, frozen=True, kw_only=True, tag="derivatives"):
    """How the logits move with the parameters, by a backward pass and by moving them. in: tokens (B, T).

    The parameters are dealt out to as many ``directions``. out: backward, moved (directions,), the derivative of
    logits . probe along each, by autograd and as a quotient of differences, for a probe (B, T, V) drawn with the
    weights. Torch is seeded before each forward, so that dropout drops the same.
    """

    directions: int
    seed: int
    training: bool = False  # the mode the model is in


class OneHead(ModelQuestion, frozen=True, kw_only=True, tag="one-head"):
    """A model of one head, whose attention then gives way to the class that ``heads`` heads have, made for one head.

    in: tokens (B, T). out: own (B, T, V), the logits of the model as it is; and grafted (B, T, V), those with the other
    class, absent where it is the same one, or cannot be made from a configuration and called in the place of the first.
    """

    heads: int


class Decode(ModelQuestion, frozen=True, kw_only=True, tag="decode"):
    """Incremental decoding. in: chunk.{i} (B, T_i), and given.{j}.{k,v}.{l} (B, H, T, D), the given caches.

    ``parents[i]`` is the step whose cache step i continues; -1 starts afresh, -2 - j continues given cache j.
    out: logits.{i}; after the steps named in ``keep`` cache.{i}.{k,v}.{l}; with ``recheck`` also
    again.{i}.{k,v}.{l}, the same caches read once more when all steps are done.

    Where rows differ in length, in: lengths.{i} (B,) of a step's chunk; rows.{i} (B,), which rows of its parent's cache
    the step continues, in this order; given.{j}.lengths. out: cache.{i}.lengths, of a cache that has them.
    """

    parents: tuple[int, ...]
    training: bool = False  # the mode the model is in
    recording: bool = False  # whether it is recorded for a backward pass
    seed: int | None = None  # torch is seeded before the first chunk
    layers: int = 0  # of each given cache
    keep: tuple[int, ...] = ()
    recheck: bool = False


class Generate(ModelQuestion, frozen=True, kw_only=True, tag="generate"):
    """in: prompt (B, T). out: tokens (B, T + max_new_tokens); with ``count`` also operations, how many it took."""

    max_new_tokens: int
    use_cache: bool
    count: bool = False
    training: bool = False  # the mode the model is in


class Watched(ModelQuestion, frozen=True, kw_only=True, tag="watched"):
    """One call of a model, or ``times`` forward passes, and what is left behind. in: tokens (B, T).

    out: result.{i}, the logits, class scores or tokens returned, of forward passes by the first, the second and the
    last; {before,after}.{mode,rng,python,settings,param.*,grad.*}, tokens, what became of those that were passed in;
    kept, whether the model's .config equals the one that it was made with; saved, how many tensors were saved for a
    backward pass; settings.import, what importing all but train.py makes of them, empty for nothing.
    Of a call that raises a ValueError, out: refused, how many modules were called by then if they are counted, and no
    results.
    """

    call: Literal["forward", "classify", "forward-incremental", "generate"]
    modes: Modes = "training"
    times: int = 2
    max_new_tokens: int = 0
    use_cache: bool = False
    count_calls: bool = False


class Loss(ModelQuestion, frozen=True, kw_only=True, tag="loss"):
    """in: tokens, targets, labels (B, T). out: total, lm, class (absent when None) as float64 scalars, logits,
    class_logits, and grad.{name}: max |d class loss / d parameter| for each parameter that gets a gradient;
    slopes (N,), for each end of a name in ``along``, how fast the class loss grows with the logarithm of those
    parameters."""

    class_weight: float | None  # None: it is not passed, and the contract's default holds
    along: tuple[str, ...] = ()
    classify: bool = True  # whether the model has a head; without one there are no class_logits


class JointLosses(ModelQuestion, frozen=True, kw_only=True, tag="joint-losses"):
    """``loss_fn`` at several weights, each right after torch is seeded. in: tokens, targets, labels (B, T).

    out: for the weight at place i {total,lm,class}.{i}, scalars, the last absent when None; and, of those that can be
    differentiated, {total,lm,class}.{i}.grad.{name}, absent where the loss does not depend on the parameter, the last
    two for the first weight alone. At the first weight slope.{total,lm,class} (3,), along a direction that is drawn:
    how fast the loss changes as measured, and by its gradient, and the size of what the gradient adds up from.
    {before,after}.{mode,rng,python,settings,param.*,grad.*}; tokens, targets, labels, what became of them.
    """

    class_weights: tuple[float, ...]
    seed: int
    training: bool = True  # the mode the model is in


class PairedRuns(ModelQuestion, frozen=True, kw_only=True, tag="paired-runs"):
    """``train`` with the candidate's own model, and the contract's loop by the grader around its ``loss_fn``: of equal
    weights, on equal batches, from one seed. in: tokens, targets, labels (N, B, T), or nothing where they are made.

    out: by side, own or right, {side}.losses (N, 3), loss, lm_loss and class_loss of each step, NaN for None;
    {side}.grad.{i}.{name}, what the optimizer is stepped with; {side}.param.{name} after the last step; {side}.rng,
    {side}.python afterwards; with ``pulls`` {side}.stepped.{name}, where the optimizer of either side takes parameters,
    given large gradients and then small ones; and {tokens,targets,labels}, what became of the batches.
    """

    train: Settings
    seed: int
    pulls: bool = False


class Evaluate(ModelQuestion, frozen=True, kw_only=True, tag="evaluate"):
    """in: tokens, targets, labels (N, B, T). out: lm_loss, class_accuracy (absent when None), logits, class_logits
    (N, B, T, ...), and {before,after}.{mode,rng,param.*,grad.*}."""

    training: bool  # the mode the model is in when evaluate is called
    seed: int | None = None  # torch is seeded right before
    classify: bool = True  # whether the model has a head; without one there are no class_logits


class WatchedEvaluation(ModelQuestion, frozen=True, kw_only=True, tag="watched-evaluation"):
    """``evaluate`` on batches of any sizes, which can be read once. in: tokens.{i}, targets.{i}, labels.{i} (B_i, T_i).

    out: lm_loss, class_accuracy (absent when None), floats, whether those that are there are; losses (N,) and
    accuracies (N,), the same of one batch after another, in eval mode; {before,after}.{mode,rng,python,settings,
    param.*,grad.*}; {tokens,targets,labels}.{i}, what became of them; saved, how many tensors were saved for a backward
    pass. Every other parameter needs no gradient. Then other weights are drawn, and out: again and again_losses (1,),
    the same of the first batch alone with those.
    With ``breaks`` the last batch has a token too many for the model, and of all this there is before and after alone,
    and raised, whether there was an error. With ``interrupted`` it is not the batch that is wrong: what reads the one
    after it raises an error of its own, or is interrupted as from a keyboard. It is called with gradients off then, and
    in bfloat16 by default.
    """

    modes: Modes = "training"
    classify: bool = False
    breaks: bool = False
    interrupted: Literal["", "error", "keyboard"] = ""


class Fit(Question, frozen=True, kw_only=True, tag="fit"):
    """The grader's own loop around the candidate's model and ``loss_fn``, from its own init at ``seed``.

    in: tokens, targets, labels (N, B, T). out: losses (N,), and state.{name}, the parameters afterwards.
    """

    config: Settings
    seed: int
    lr: float
    class_weight: float


class Classify(Question, frozen=True, kw_only=True, tag="classify"):
    """A model whose parameters and buffers are given. in: state.{name}, tokens (M, B, T). out: class_logits
    (M, B, T, classes)."""

    config: Settings


class StandInQuestion(Question, frozen=True, kw_only=True):
    """Base of the questions put to the training loop with a stand-in model that the worker brings.

    in: tokens, targets, labels (N, B, T).
    """

    train: Settings  # TrainConfig fields
    width: int
    n_classes: int = 0
    weights: Weights
    precision: Precision = "float32"


class TrainSteps(StandInQuestion, frozen=True, kw_only=True, tag="train-steps"):
    """Train with the candidate's own optimizer. out: losses, lm_losses (N,), without_class_loss (N,) whether
    the class loss was None, class_losses (of those that were not), initial.{name}, and param.{i}.{name} after
    step i.

    ``whole`` calls ``train`` once instead of ``train_step`` N times; then only the last parameters come back.
    ``own_batches`` leaves it to ``train`` to make them. ``given`` is an optimizer that ``train`` is given, which has
    made a step before, and out: settings, what its groups say afterwards beside their rates, as bytes. ``again`` calls
    ``train`` once more on the model, and on another that has the parameters of the first by then, and out:
    {again,anew}.{losses,param.*} of the two. ``dropout`` gives the stand-in a dropout layer, and torch is
    seeded first, so that what it draws can be repeated; ``in_eval`` hands the model over in eval mode.
    """

    whole: bool = False
    own_batches: bool = False
    given: GivenOptimizer | None = None
    again: bool = False
    dropout: float = 0.0
    in_eval: bool = False


class RecordSteps(StandInQuestion, frozen=True, kw_only=True, tag="record-steps"):
    """Call ``train_step`` with an optimizer that records. out: calls (N,) how often it was stepped in each step,
    lr (N, groups), grad.{i}.{name} at the (first) call of step i, and in_train: how often ``train`` steps the
    optimizer it is given.

    Of a loop that cannot be asked for single steps, the same is seen of the optimizer that it makes itself, whatever
    ``groups`` and ``at`` say, and nothing of ``in_train``.
    The optimizer holds the parameters in as many ``groups``. With ``at`` each step is called by the number that stands
    there for its batch, and the run of ``train``, which has more steps than batches, is ended after as many.
    """

    groups: int = 1
    at: tuple[int, ...] = ()


class WatchedTraining(StandInQuestion, frozen=True, kw_only=True, tag="watched-training"):
    """``train`` over batches that can be read once, or with ``by_step`` ``train_step`` on each of them. With
    ``own_batches`` it is left to ``train`` to make them, and out: read.{i} (B, T), the tokens of each forward pass, and
    made.{i} (B, T), those that ``make_batch`` makes one after another, from a generator seeded with config.seed.

    out: taken, how many batches were taken; losses, lm_losses, class_losses, as they were reported, a number each or
    NaN, and kinds (steps, 3), what they were, by ``KINDS``; modes (forwards,), whether the whole model was in training
    mode; {before,after}.{mode,rng,python,settings,param.*,grad.*}; {tokens,targets,labels}, what became of the batches,
    (N, B, T); settings.import, what importing train.py makes of them, empty for nothing.
    ``freezes`` has every other parameter need no gradient, ``listed`` gives the batches as a list, and with ``slight``
    the model is the smallest that there is. The first step of ``by_step`` has the number ``first``.
    """

    by_step: bool = False
    own_batches: bool = False
    modes: Modes = "training"  # that the model comes in
    freezes: bool = False
    listed: bool = False
    slight: bool = False
    first: int = 0


KINDS = ("missing", "none", "float", "other")  # what a loss can be


class Rates(Question, frozen=True, kw_only=True, tag="rates"):
    """``learning_rate`` at these steps. out: rates (len(steps),); with ``fresh`` fresh (groups,).

    Attributes:
        fresh: whether to look at the rates in an optimizer that no step has been made with.
    """

    train: Settings
    steps: tuple[int, ...]
    fresh: bool = False


class MakeBatch(Question, frozen=True, kw_only=True, tag="make-batch"):
    """``make_batch`` from two generators of one seed, from one of the next, and from the first once more.

    out: {tokens,targets,labels}.{i}, i from 0 to 3; with ``once`` 0 alone.
    """

    train: Settings
    seed: int
    once: bool = False


class SeededDraws(Question, frozen=True, kw_only=True, tag="seeded-draws"):
    """What can be drawn after ``seed_everything(seed)``. out: torch, python (4,)."""

    seed: int


class OwnRun(Question, frozen=True, kw_only=True, tag="own-run"):
    """The candidate's own seeding, model, data and loop. out: losses (N,), and accuracies (N,), the share of each
    batch's targets that the model predicted when it was trained on it; NaN where no forward of the batch was seen."""

    config: Settings
    train: Settings
    seed: int


class TwinRun(Question, frozen=True, kw_only=True, tag="twin-run"):
    """The candidate's own seeding, model, data, optimizer and loop: ``train(model, config)``, given nothing else.

    Whatever ``config`` and ``train`` leave out is as the candidate's defaults have it; the model has the vocabulary of
    the data. out: loss, lm_loss (N,), class_loss (N,) where there is one in every step; for each of the steps
    ``watched`` at which an optimizer was stepped, grad.{i}.{name}, what it was stepped with; and param.{i}.{name} after
    the last step.

    With ``held_out`` the model is then put into eval mode and asked about as many batches of the next seed, out:
    held_out.0.{i}, the logits (B, T, V) of each. With ``again`` it is trained for so many steps more, by the same call,
    out: again.{loss,lm_loss} (again,); and asked once more, out: held_out.1.{i}.
    """

    config: Settings
    train: Settings
    precision: Precision = "float32"
    watched: tuple[int, ...] = ()
    held_out: int = 0
    again: int = 0


class ClassWeights(Question, frozen=True, kw_only=True, tag="class-weights"):
    """The weight of the classifier's loss at these steps. out: constant, warm_up (len(steps),)."""

    train: Settings
    steps: tuple[int, ...]


class Uncertainty(Question, frozen=True, kw_only=True, tag="uncertainty"):
    """``uncertainty_weighting``. in: losses (2,), the language model's and the classifier's, and log_variances (2,).

    out: total, its gradients grad.losses and grad.log_variances (2,), and after, the log variances afterwards (2,).
    """

    precision: Precision = "float64"


class GradientNorms(StandInQuestion, frozen=True, kw_only=True, tag="gradient-norms"):
    """``gradient_norm_weight`` of a stand-in and its two losses. out: weight (N,); usable (N,), whether the losses can
    still be differentiated; again (N,), the weight asked for once more, of those that can; {lm,class}.{i}.{name}, the
    gradient of either loss of batch i, absent where it has none; {before,after}.{mode,rng,param.*,grad.*}."""


class FitWeighted(Question, frozen=True, kw_only=True, tag="fit-weighted"):
    """The grader's own loop around the candidate's model, ``loss_fn`` and a way to weigh the losses, from its own init.

    in: tokens, targets, labels (N, B, T). out: lm_losses (N,), and state.{name}, the parameters and buffers
    afterwards. At the steps ``measured``, before each is made, out: lm_norms, class_norms and cosines of the gradients
    of the two losses on the parameters that both reach, weights, what a change of the class loss counts beside one of
    the other in the total, and accuracies, the share of the batch's labels that are predicted: (len(measured),) each.
    """

    config: Settings
    train: Settings
    seed: int
    weighting: Weighting
    measured: tuple[int, ...] = ()


class Flops(ModelQuestion, frozen=True, kw_only=True, tag="flops"):
    """Operations to decode one more token after ``lengths`` others. out: cached, full (len(lengths),) int64, and
    kept (L, len(lengths)) int64, how many numbers each layer's keys and values are before that token."""

    lengths: tuple[int, ...]


class Snippet(Question, frozen=True, kw_only=True, tag="snippet"):
    """Run a script as a learner would, beside the candidate's files. Replies with ``Raised`` if it raises."""

    source: str


class RunTests(Question, frozen=True, kw_only=True, tag="run-tests"):
    """Run the tests in these modules of the package with pytest, up to the first that fails. Put to a worker made for
    tests. out: exit, pytest's exit code; passed, skipped, how many tests were; and failure, if one failed, as the bytes
    of its id, a newline, and what was raised."""

    modules: tuple[str, ...]
    conftest: bool = False  # whether the package has one


class FindMutants(Question, frozen=True, kw_only=True, tag="find-mutants"):
    """Where a bug can be planted in these source texts, which are not run. Put to a worker made for mutants.

    out: mutants, a JSON list of ``Planting``.
    """

    files: dict[str, str]
    groups: tuple[str, ...]  # the kinds of bugs, as the catalogue has them


class Reword(Question, frozen=True, kw_only=True, tag="reword"):
    """The same programs in other words, each drawn by its seed; none is run. Put to a worker made for mutants.

    in: text.{i}, the UTF-8 of a file. out: text.{i}, the same in other words, or as it is where that cannot be done.
    """

    seeds: tuple[int, ...]
    share: float  # of the places where something can be said otherwise
    ways: tuple[str, ...]  # to say it


class Planting(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """One bug at one place of a text: bytes [start, end) of the file, which read ``before``, become ``after``."""

    group: str
    operator: str
    title: str
    file: str
    start: int
    end: int
    before: str
    after: str


AnyQuestion = (
    Import
    | Parameters | Sharing | Configs | Forward | OneHead | Influence | Gradients | Derivatives | Decode | Generate
    | Loss | Evaluate | Fit | Classify | TrainSteps | RecordSteps | Rates | MakeBatch | SeededDraws | OwnRun | TwinRun
    | Flops | Snippet | ClassWeights | Uncertainty | GradientNorms | FitWeighted | RunTests | FindMutants | Reword
    | TrainConfigs | Offers | Watched | WatchedEvaluation | WatchedTraining | JointLosses | PairedRuns
)  # fmt: skip


def modules_asked(question: AnyQuestion) -> tuple[str, ...]:
    """The modules of a package that answer a question; none named for one that may need any of its files."""
    if isinstance(question, Import | Snippet | RunTests | FindMutants | Reword):
        return ()
    if isinstance(question, Loss | JointLosses | Evaluate | WatchedEvaluation | Fit | FitWeighted):
        return ("model", "train")
    if isinstance(question, OwnRun | TwinRun | PairedRuns):
        return ("model", "train")
    if isinstance(question, StandInQuestion | TrainConfigs | Rates | MakeBatch | SeededDraws):
        return ("train",)
    if isinstance(question, ClassWeights | Uncertainty):
        return ("train",)
    return ("model",)


ADAPTER = "adapter.py"  # of an exercise whose packages keep no contract


class Load(Struct, frozen=True, kw_only=True, tag_field="ask", tag="load", forbid_unknown_fields=True):
    """Hand a worker the package it will answer for: file name to source text.

    The modules ``ahead`` are imported once the reply is out; what fails then fails again when it is asked.
    """

    files: dict[str, str]
    ahead: tuple[str, ...] = ()
    adapter: str | None = None  # the exercise's adapter.py, for a package that keeps no contract


class Answered(Struct, frozen=True, tag_field="reply", tag="answered", forbid_unknown_fields=True):
    """The question was answered; the answer is the frame's tensors."""


class Frame(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """A line of the candidate's that was being run, or, last of all, that Python could not read."""

    file: str
    line: int
    column: int = 0  # of the first character that it is about, counted from 1; 0 where unknown
    function: str = ""  # empty for a line that could not be read


class Raised(Struct, frozen=True, kw_only=True, tag_field="reply", tag="raised", forbid_unknown_fields=True):
    """The candidate's code raised."""

    type: str
    bases: tuple[str, ...]  # names of all base classes, nearest first
    message: str
    by_raise: bool  # by a raise statement of its own, not from within something it called
    traceback: str  # the candidate's own frames only
    frames: tuple[Frame, ...] = ()  # the same as data, the last ones, innermost last


class Malformed(Struct, frozen=True, kw_only=True, tag_field="reply", tag="malformed", forbid_unknown_fields=True):
    """The candidate's code returned something the contract does not allow."""

    message: str


Reply = Answered | Raised | Malformed

question_decoder = msgspec.json.Decoder(AnyQuestion | Load)
reply_decoder: msgspec.json.Decoder[Reply] = msgspec.json.Decoder(Reply)
