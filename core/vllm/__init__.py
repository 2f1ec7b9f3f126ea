"""What runs inside vLLM's own environment: a pair as one model, and the sampler that amplifies.

Nothing outside this folder imports it; `logit_amp_chat.core.engine.vllm` starts it as a process.
"""

from __future__ import annotations

OURS = (
    "logit_amp_chat.core.decoding.amplification",
    "logit_amp_chat.core.decoding.given_tokens",
    "logit_amp_chat.core.decoding.grid_log_probs",
    "logit_amp_chat.core.decoding.gumbel_noise",
    "logit_amp_chat.core.decoding.next_token",
    "logit_amp_chat.core.decoding.repetition",
    "logit_amp_chat.core.decoding.reply_measure",
    "logit_amp_chat.core.decoding.sampling",
    "logit_amp_chat.core.decoding.text_measure",
    "logit_amp_chat.core.decoding.token_stats",
    "logit_amp_chat.core.sampling",
    "logit_amp_chat.core.system.parent",
    "logit_amp_chat.core.system.vllm_environment",
)
"""The modules of the main environment that are used here: they need torch and pydantic alone."""
