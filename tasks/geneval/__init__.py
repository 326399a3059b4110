"""GenEval: 553 prompts, six skills, judged by an object detector and a colour classifier."""
