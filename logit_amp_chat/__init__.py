"""Diff language models as one diffs code: chat with what training did to one."""
