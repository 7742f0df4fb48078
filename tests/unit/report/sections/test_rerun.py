"""How to repeat the run."""

from __future__ import annotations

import dataclasses

from commissure.report.sections.rerun import content


def test_the_record_names_no_folder_of_the_user(small):
    inputs = dataclasses.replace(small.input(), configuration="bids_dir: /home/jane/bids\n")
    shown = content(inputs, {})
    assert shown["configuration"] == "bids_dir: …/bids"
    assert shown["command"] == "snakemake --cores all --configfile …/study.yaml"
    assert dict(shown["record"])["Python"] == "3.11.2"


def test_without_a_record_the_plain_command_stands(small):
    results = dataclasses.replace(small.input().results, provenance={})
    shown = content(dataclasses.replace(small.input(), results=results), {})
    assert shown["record"] == [] and shown["command"] == "snakemake --cores all"
