"""Any task of the Language Model Evaluation Harness (lm-eval), driven by our engine.

Prompts, few-shot examples, filters and metrics are lm-eval's own (EleutherAI,
https://github.com/EleutherAI/lm-evaluation-harness, package `lm_eval`); asking, storing, resuming,
verdicts, intervals and tables are this harness's.
"""
