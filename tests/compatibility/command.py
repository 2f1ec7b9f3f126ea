"""What the commands that write a page have in common."""

from __future__ import annotations

import argparse
import logging
import warnings

import torch
import transformers


def parser(doc: str | None, names: str) -> argparse.ArgumentParser:
    """Takes `names`, and `--write`."""
    made = argparse.ArgumentParser(description=doc)
    made.add_argument(names, nargs="*")
    made.add_argument("--write", action="store_true")
    return made


def quieten() -> None:
    """One thread, and none of what models of all kinds have to say."""
    warnings.filterwarnings("ignore")
    logging.disable(logging.WARNING)
    transformers.logging.set_verbosity_error()
    transformers.logging.disable_progress_bar()
    torch.set_num_threads(1)
