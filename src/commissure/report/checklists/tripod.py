"""TRIPOD+AI: 27 items, 52 with their parts (Collins et al. 2024, BMJ 385:e078378).

Numbers are those of the statement; the wording is our own.
"""

from __future__ import annotations

from commissure.report.checklists.item import ChecklistItem as Item

TITLE = "TRIPOD+AI"
INTRODUCTION = (
    "After Collins et al. 2024 (BMJ 385:e078378), in words of our own. The numbers are those of "
    "the statement; the statement itself is what counts."
)

_M = True

ITEMS = (
    Item("1", "Title", "", "Name development or evaluation, the population and the outcome."),
    Item("2", "Abstract", "", "Follow TRIPOD+AI for abstracts."),
    Item("3a", "Health-care context and rationale", "", "For which decision, before what, and what "
         "models are there already?"),
    Item("3b", "Target population and users", "", "For whom is the model, where in their care, and "
         "who would use it?"),
    Item("3c", "Known health inequalities", "", "Which inequalities between groups are known?"),
    Item("4", "Objectives", "{outcome} Development, with internal evaluation.", "", "summary"),
    Item("5a", "Sources of data", "{dataset}", "Which cohorts are these, why they, and whom do "
         "they represent?"),
    Item("5b", "Dates", "", "Dates of accrual and of the end of follow-up?"),
    Item("6a", "Setting, number and place of centres", "{sites}", "Which kind of care, and where?",
         "people"),
    Item("6b", "Eligibility", "{exclusions}", "Criteria by which people entered the cohort?",
         "people"),
    Item("6c", "Treatments received", "{treatments}", "Treatments beside those of the label?"),
    Item("7", "Data preparation and quality", "{preparation}", "", "rerun"),
    Item("8a", "Outcome: definition and time", "{label}", "Over which time was it determined, and "
         "how was that the same in all groups?", "people"),
    Item("8b", "Outcome: who assessed it", "", "Who judged the outcome, with which training?"),
    Item("8c", "Outcome: blinding", "The label is read after the markers are written; no marker "
         "depends on it.", "Did those who judged the outcome know the images?"),
    Item("9a", "Choice of predictors", "{predictors}", "Why these predictors?", "methods"),
    Item("9b", "Predictors: definition and time of measurement", "Every marker has a definition, a "
         "unit and a source in markers.json.", "How long before the outcome were the images "
         "taken?", "methods"),
    Item("9c", "Predictors: assessors and blinding", "Measurement is automatic and reads no label.",
         "", "methods"),
    Item("10", "Sample size", "{people} {needed}", "Why this number?", "summary"),
    Item("11", "Missing data", "{missing} {missing_models}", "", "people"),
    Item("12a", "How the data were used", "{folds}", "", "models", _M),
    Item("12b", "Handling of predictors", "Markers are standardised in the training people of each "
         "fold. {adjustments}", "", "models", _M),
    Item("12c", "Type of model, building, tuning, internal validation", "{model} {tuning}", "",
         "models", _M),
    Item("12d", "Differences between clusters", "{by_site}", "", "sites", _M),
    Item("12e", "Measures of performance", "{measures}", "", "models", _M),
    Item("12f", "Updating of the model", "No model was updated{recalibrated}.", "", "models", _M),
    Item("12g", "How predictions are calculated", "The stored model scores people by `commissure "
         "apply` or by fusion/model/scorer.py.", "", "models", _M),
    Item("13", "Class imbalance", "{balance} No class was resampled.", "", "models", _M),
    Item("14", "Fairness", "{by_group}", "Which groups matter here, and why? Groups of this size "
         "rarely allow a judgement.", "sites", _M),
    Item("15", "Output of the model", "{output}", "", "models", _M),
    Item("16", "Training against evaluation data", "Evaluation is internal: folds and sites of the "
         "same study.", "In what does a later cohort differ?", "models", _M),
    Item("17", "Ethical approval", "", "Name the committee and the consent, or why none was "
         "needed."),
    Item("18a", "Funding", "", "Name the funders and their part."),
    Item("18b", "Conflicts of interest", "", "Name them, for all authors."),
    Item("18c", "Protocol", "The configuration of the run is provenance/config.yaml.", "Where is "
         "the protocol, or was none written?", "rerun"),
    Item("18d", "Registration", "", "Name the register and number, or say that there is none."),
    Item("18e", "Data sharing", "", "Where can the data be had, and under which terms?"),
    Item("18f", "Code sharing", "{software}", "Where is code of your own?", "rerun"),
    Item("19", "Patient and public involvement", "", "Say what it was, or that there was none."),
    Item("20a", "Flow of participants", "{people} {exclusions}", "", "people"),
    Item("20b", "Characteristics of participants", "The table of people gives age, sex, group and "
         "site.", "Which clinical characteristics, treatments and follow-up are to be added?",
         "people"),
    Item("20c", "Development against evaluation people", "{by_site}", "", "sites", _M),
    Item("21", "Numbers of people and outcome events", "{balance}", "", "models", _M),
    Item("22", "The full model", "{full_model}", "", "models", _M),
    Item("23a", "Performance with intervals, in groups too", "{performance} {by_group}", "",
         "models", _M),
    Item("23b", "Heterogeneity of performance between clusters", "{heterogeneity}", "", "sites",
         _M),
    Item("24", "Results of updating", "No model was updated{recalibrated}.", "", "", _M),
    Item("25", "Interpretation", "", "Weigh the result, its fairness too, against earlier "
         "studies."),
    Item("26", "Limitations", "{cautions}", "Which others are there?", "summary"),
    Item("27a", "Poor or missing input in use", "A person without a modality is scored by the "
         "others; who has none, or lies outside of the training people, gets no score.", "",
         "", _M),
    Item("27b", "Users’ interaction and expertise", "", "What must a user know and do?"),
    Item("27c", "Next steps", "", "What must be studied before the model is used?"),
)  # fmt: skip
