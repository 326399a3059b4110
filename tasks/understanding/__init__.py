"""Understanding benchmarks: questions about pictures, from tables to scores.

* `benchmarks/`: one small file per benchmark, a description and little else;
* `templates/`: prompts, versioned files;
* `choice`, `answer`, `yesno`: the three kinds of tasks that descriptions make;
* `table_task`: what they share, from data file to categories.
"""
