"""`logit-amp-chat bench`: measures how fast a pair decodes here."""

from __future__ import annotations

from typing import Annotated

import typer

from logit_amp_chat.tui.commands import options, side_options


@side_options.with_sides
def command(
    context: typer.Context,
    profile: options.ProfileName = None,
    before: options.Before = None,
    after: options.After = None,
    adapter: options.Adapter = None,
    shape: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Random weights in the shape of a known model, nothing to download: llama-3.1-8b,"
            " qwen3-4b, smollm2-135m …",
        ),
    ] = None,
    lora: Annotated[
        bool, typer.Option("--lora", help="With --shape: one model and a random adapter on it.")
    ] = False,
    lanes: Annotated[
        str, typer.Option(metavar="N,N…", help="Numbers of lanes to decode in one pass.")
    ] = "1,2,3,5,8",
    tokens: Annotated[int, typer.Option(metavar="N", min=2, help="Tokens per reply.")] = 32,
    rounds: Annotated[int, typer.Option(metavar="N", min=1, help="Interleaved rounds.")] = 3,
    history: Annotated[
        int, typer.Option(metavar="N", min=128, help="Length of the long prompt, in tokens.")
    ] = 512,
    peer: Annotated[
        bool, typer.Option(help="Also measure transformers' guided generate().")
    ] = True,
    quantization: options.Quantization = None,
    dtype: options.Dtype = None,
    vocabulary: options.Vocabulary = None,
    device: options.Device = None,
    trust_caches: options.TrustCaches = None,
    engine: options.EngineName = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
    debug: options.Debug = False,
) -> None:
    """Measure decoding with one lane and several, beside transformers' guided generate().

    Speed-ups are medians over interleaved rounds. With --engine vllm also a batch of replies and
    the reading of a text, and no peer.
    """
    settings = options.loading(context)
    if shape is not None and device is None and profile is None:
        settings["device"] = "auto"  # the demo, which lends its settings, is for a CPU
    chosen = options.describe(profile, before, after, adapter, settings, {})
    counts = options.counts(lanes, "--lanes")
    if lora and shape is None:
        raise typer.BadParameter(
            "needs --shape; with a profile, use --adapter", param_hint="--lora"
        )
    in_vllm = chosen.engine == "vllm"
    if in_vllm and shape is not None:
        raise typer.BadParameter(
            "random weights are made here alone: use --engine local", param_hint="--shape"
        )
    from logit_amp_chat.core.bench.timings import Plan
    from logit_amp_chat.tui.commands import bench_run as headless

    plan = Plan(lanes=counts, rounds=rounds, tokens=tokens, history=history)
    if in_vllm:
        raise typer.Exit(headless.run_vllm(chosen, plan, as_json=as_json))
    raise typer.Exit(headless.run(chosen, shape, plan, lora=lora, with_peer=peer, as_json=as_json))
