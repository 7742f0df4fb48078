"""PROBAST+AI: signalling questions of its four domains (Moons et al. 2025, BMJ 388:e082505).

It asks 16 questions on development and 18 on evaluation. Here are the 20 of PROBAST 2019 (Wolff et
al. 2019, Ann Intern Med 170:51), which it updates, in words of our own and by their numbers, which
were compared with the published form, and without a number what the update adds.
"""

from __future__ import annotations

from commissure.report.checklists.item import ChecklistItem as Item

TITLE = "PROBAST+AI, evidence for its signalling questions"
INTRODUCTION = (
    "After Moons et al. 2025 (BMJ 388:e082505, doi:10.1136/bmj-2024-082505), in words of our own. "
    "The numbers are those of PROBAST 2019; questions that the update adds have none here: check "
    "them against the tool. The run gives evidence; the answer (yes, probably yes, probably no, "
    "no, no information) and the judgement are for a person."
)

_M = True

ITEMS = (
    Item("1.1", "Participants: appropriate source of data?", "{dataset}", "Cohort, trial, registry "
         "or case-control? Was it prospective?"),
    Item("1.2", "Participants: appropriate inclusion and exclusion?", "{exclusions}", "Were people "
         "left out before the dataset was made?"),
    Item("", "Participants: does the sample represent the target population?", "{people} {sites}",
         "Whom does it represent?"),
    Item("2.1", "Predictors: defined and assessed alike for all?", "One program measured all "
         "images of a modality with one configuration. {protocols}", "", "quality"),
    Item("2.2", "Predictors: assessed without knowledge of the outcome?", "Measurement is "
         "automatic and reads no label.", ""),
    Item("2.3", "Predictors: available when the model is to be used?", "{predictors} Columns that "
         "follow the outcome are refused by name.", "Is each of them there at the time of use?"),
    Item("3.1", "Outcome: determined appropriately?", "{label}", "Were the sources of the "
         "treatment history checked?"),
    Item("3.2", "Outcome: standard or prespecified definition?", "{label}", "Was it fixed before "
         "the data were seen?"),
    Item("3.3", "Outcome: predictors kept out of its definition?", "No image marker enters the "
         "label. Columns that define it are refused as predictors.", ""),
    Item("3.4", "Outcome: defined and determined alike for all?", "One rule labels everybody. "
         "{indeterminate}", ""),
    Item("3.5", "Outcome: determined without knowledge of the predictors?", "", "Did those who "
         "judged the outcome know the images?"),
    Item("3.6", "Outcome: appropriate time between predictors and outcome?", "", "How long, and "
         "for whom was it shorter?"),
    Item("4.1", "Analysis: enough people with the outcome?", "{balance} {needed}", "", "summary",
         _M),
    Item("4.2", "Analysis: continuous and categorical predictors handled well?", "Markers enter "
         "as numbers and are not cut.", "", "", _M),
    Item("4.3", "Analysis: all enrolled people analysed?", "{exclusions}", "", "people"),
    Item("4.4", "Analysis: missing data handled well?", "{missing} {missing_models}", "", "people"),
    Item("4.5", "Analysis: no selection by univariable tests?", "Penalised models of all declared "
         "markers; no marker is chosen by a test.", "", "models", _M),
    Item("4.6", "Analysis: censoring, competing risks, repeated visits?", "All scans of a person "
         "and of a declared family stay in one fold.", "", "models", _M),
    Item("4.7", "Analysis: discrimination, calibration and usefulness?", "{measures} {performance} "
         "{calibration}", "", "models", _M),
    Item("4.8", "Analysis: overfitting and optimism accounted for?", "{folds} {tuning}", "",
         "models", _M),
    Item("4.9", "Analysis: weights of the final model are those of the analysis?", "The "
         "procedure was assessed; the stored model is the same procedure on everybody and has not "
         "been tested itself.", "", "models", _M),
    Item("", "Analysis: class imbalance handled well?", "{balance} No class was resampled.", "",
         "models", _M),
    Item("", "Analysis: is a leak of information ruled out?", "{falsification}", "",
         "falsification", _M),
    Item("", "Evaluation: data apart from those of development?", "{by_site} There is no cohort of "
         "its own.", "", "sites", _M),
    Item("", "Evaluation: performance in groups of people (fairness)?", "{by_group}", "Which "
         "groups matter here?", "sites", _M),
    Item("", "Evaluation: uncertainty of every number given?", "Intervals and permutations are "
         "given beside each number.", "", "models", _M),
)  # fmt: skip
