"""Who preprocesses: the engines by name, and the files that each of them owes.

An engine is a rule file ``workflow/rules/engines/<modality>_<engine>.smk`` (or several) that makes
the status tables ``<modality>_preprocess`` of all batches. Everything behind them is shared and
cannot tell which engine ran. The built-in engine lives in each modality's ``builtin/``; what runs
another program, or takes over the results of one, lives here.
"""
