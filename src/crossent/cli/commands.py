"""The command line: one call of a Python function a command, results on stdout, everything else on stderr."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import click

from crossent import __version__
from crossent.cli.advise import advise
from crossent.cli.calibrate import calibrate
from crossent.cli.combine import combine
from crossent.cli.options import (
    computing_options,
    data_options,
    deep_options,
    held_out_options,
    model_inputs,
    output_options,
    parse_prior,
    query_options,
    reading_options,
    selected_on_option,
    selecting_options,
    stopping_option,
    with_baseline,
)
from crossent.cli.plan import plan
from crossent.errors import CrossentError, UsageError

if TYPE_CHECKING:
    from crossent.api import Report

GATE_FAILED = 3
INTERRUPTED = 130
VERBOSE = "crossent.verbose"


def _print_version(context: click.Context, _: click.Parameter, wanted: bool) -> None:
    if wanted and not context.resilient_parsing:
        # all of it or, where a variable of the environment is wrong, nothing
        facts = _facts() if context.meta.get(VERBOSE) else []
        click.echo("\n".join([f"crossent {__version__}", *facts]))
        context.exit()


def _facts() -> list[str]:
    from crossent.api import installation

    return [f"{what}: {value}" for what, value in installation()]


@click.group(context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 110})
@click.option(
    "--version", is_flag=True, expose_value=False, callback=_print_version, help="Show the version."
)
@click.option(
    "--verbose",
    is_flag=True,
    is_eager=True,  # before --version, wherever it stands
    expose_value=False,
    callback=lambda context, _, wanted: context.meta.update({VERBOSE: wanted}),
    help="With --version: show what computes the losses, too.",
)
def cli() -> None:
    """Judge predictions by cross-entropy, compare models on the same rows, and choose one.

    \b
    crossent evaluate model.parquet                        one model in depth
    crossent select a.parquet b.parquet --html page.html   several models: the verdict
    crossent combine a.parquet b.parquet --out c.parquet   a mixture, and what it gains
    crossent advise train.csv --label outcome              which loss to take
    crossent calibrate fit valid.parquet --out map.json    a map that recalibrates

    Exit codes: 0 fine, 1 the data cannot be used, 2 wrong usage, 3 a gate failed.
    """


@cli.command()
@click.argument("file", nargs=-1, metavar="FILE…")
@query_options
@data_options
@reading_options
@computing_options
@deep_options
@output_options
def evaluate(file: tuple[str, ...], queries: tuple[str, ...], uri: str | None, **options: Any) -> None:
    """Evaluate one model: loss with standard error, calibration, tails, classes, groups.

    FILE is a Parquet, Arrow, CSV, TSV, JSON Lines or NPZ file, a log of a language model
    (samples_*.jsonl of lm-evaluation-harness, *.logprobs.jsonl), a folder of files or a pattern; several
    are read as one. The prediction columns are p_<class>, z_<class> (logits) or a list column; about a
    number mean and std, q_<level>, samples or point. See the documentation.
    """
    from crossent.api import named

    inputs = model_inputs(file, queries, uri)
    _require_data(inputs)
    if queries and len(inputs) > 1:
        raise UsageError(
            "one-query",
            "a query is one model's predictions, and there is more beside it",
            cure="join tables in the query (UNION ALL), or compare models with select",
        )
    data: object = list(inputs.values()) if len(inputs) > 1 else next(iter(inputs.values()))
    name = next(iter(inputs)) if len(inputs) == 1 else next(iter(named(file[:1])))
    _run({name: data}, options)


def _require_data(inputs: dict[str, object]) -> None:
    if not inputs:
        context = click.get_current_context()
        raise click.MissingParameter("Or give --sql and --uri.", context, None, "'FILE…'", "argument")


@cli.command()
@click.argument("file", nargs=-1, metavar="[NAME=]FILE…")
@query_options
@data_options
@selecting_options
@held_out_options
@stopping_option
@reading_options
@computing_options
@deep_options
@output_options
def select(file: tuple[str, ...], queries: tuple[str, ...], uri: str | None, **options: Any) -> None:
    """Compare models on the same rows and choose one.

    Each FILE holds one model's predictions and is named by its file name, or by NAME. Rows are paired by row
    id. With --model, the columns named are the models of the one FILE.
    """
    inputs = model_inputs(file, queries, uri)
    _require_data(inputs)
    if options["stop_when_decided"] and options["state"] is not None:
        raise UsageError(
            "state-of-a-part",
            "the sums of some rows, drawn until they decided, cannot be added to others",
            cure="leave --state out, or --stop-when-decided",
        )
    if options["baseline"] is not None:
        inputs, options["baseline"] = with_baseline(file, options["baseline"], queries, uri)
    _run(inputs, options, fail_if_worse=options.pop("fail_if_worse"))


@cli.command()
@click.argument("saved", nargs=-1, required=True, metavar="STATE…")
@selecting_options
@selected_on_option
@reading_options
@output_options
def merge(saved: tuple[str, ...], **options: Any) -> None:
    """Add evaluations saved with --state: exactly as if all their rows had been read at once."""
    from crossent.api import merge as merge_states

    _reread(lambda **reading: merge_states(*saved, **reading), options)


@cli.command()
@click.argument("saved", metavar="STATE")
@selecting_options
@selected_on_option
@reading_options
@output_options
def report(saved: str, **options: Any) -> None:
    """Print an evaluation saved with --state again: another rule, level or format, without the data."""
    from crossent.api import merge as merge_states

    _reread(lambda **reading: merge_states(saved, **reading), options)


cli.add_command(advise)
cli.add_command(plan)
cli.add_command(combine)
cli.add_command(calibrate)


def _run(inputs: dict[str, object], options: dict[str, Any], fail_if_worse: bool = False) -> None:
    from crossent.api import select as select_models
    from crossent.cli.log import logged
    from crossent.cli.output import Outputs, Progress

    outputs = Outputs.taken_from(options)
    outputs.check()
    _check_gate(fail_if_worse, options.get("baseline"))
    options["prior"] = parse_prior(options["prior"])
    options["columns"] = options.pop("model", ())
    if options["memory"] is not None:
        options["memory"] <<= 20
    log = options.pop("log")
    with Progress(quiet=outputs.quiet) as progress, logged(log, progress.say):
        try:
            result = select_models(
                inputs, **options, progress=progress.advance, notify=progress.say, started=progress.start
            )
        except KeyboardInterrupt:
            if options["checkpoint"] is not None:
                progress.say(f"what was found is in {options['checkpoint']}: --resume goes on from it")
            raise
    outputs.write(result)
    _leave(result, fail_if_worse)


def _reread(read: Callable[..., Report], options: dict[str, Any]) -> None:
    from crossent.cli.output import Outputs

    outputs = Outputs.taken_from(options)
    outputs.check()
    options["prior"] = parse_prior(options["prior"])
    fail_if_worse = options.pop("fail_if_worse")
    _check_gate(fail_if_worse, options["baseline"])
    if options.pop("model"):
        raise UsageError(
            "model-of-saved", "--model chooses columns of data, and these are saved sums", cure="leave it out"
        )
    result = read(**options)
    outputs.write(result)
    _leave(result, fail_if_worse)


def _check_gate(fail_if_worse: bool, baseline: str | None) -> None:
    if fail_if_worse and baseline is None:
        raise UsageError(
            "gate-without-baseline", "--fail-if-worse needs a baseline", cure="name it with --baseline"
        )


def _leave(result: Report, fail_if_worse: bool) -> None:
    gate = result.results.gate
    if fail_if_worse and gate is not None and gate.failed:
        click.echo(f"gate failed: {gate.sentence}", err=True)
        raise SystemExit(GATE_FAILED)


def main(arguments: list[str] | None = None) -> None:
    """Run the command line and leave with its exit code; no traceback reaches the user."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            # a name or a sign that the terminal's encoding lacks is written as \\u2026, not a crash
            stream.reconfigure(errors="backslashreplace")
    try:
        code = cli.main(arguments, prog_name="crossent", standalone_mode=False)
        raise SystemExit(code if isinstance(code, int) else 0)
    except click.exceptions.Abort:
        code = _say("interrupted: nothing was written", INTERRUPTED)
    except click.ClickException as error:
        error.show()
        code = 2
    except CrossentError as error:
        code = _say(f"error: {error}", error.exit_code)
    except KeyboardInterrupt:
        code = _say("interrupted: nothing was written", INTERRUPTED)
    except BrokenPipeError:
        # the reader of our output went away: not an error, but Python must not complain on closing either
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 1
    except MemoryError:
        code = _say("error: not enough memory — lower --memory and --threads [out-of-memory]", 1)
    except Exception as error:
        if os.environ.get("CROSSENT_DEBUG"):
            raise
        kind = type(error).__name__
        code = _say(
            f"error: {kind}: {error} — this is a fault in crossent; CROSSENT_DEBUG=1 shows where [internal]",
            1,
        )
    raise SystemExit(code)


def _say(text: str, code: int) -> int:
    # names and values from files must not steer the terminal
    click.echo("".join(c if c.isprintable() else ascii(c)[1:-1] for c in text), err=True)
    return code
