"""Checks a run's crate and its BIDS-Prov graph, in the environment of ``envs/crate.lock``.

``python check_provenance.py CONTEXT FOLDER``: CONTEXT is the JSON-LD context that the package rocrate
ships (that of RO-Crate 1.3); FOLDER is an output folder. Prints JSON: the issues that the validator
finds, and how many nodes of each kind the graph of BIDS-Prov has as RDF. No network is used.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path

import requests
from rdflib import RDF, Graph
from rocrate_validator import services
from rocrate_validator.utils.http import HttpRequester

CRATE_CONTEXT = "https://w3id.org/ro/crate/1.1/context"


def main() -> None:
    shipped, folder = map(Path, sys.argv[1:])
    context = json.loads(shipped.read_text(encoding="utf-8"))
    # 1.1 names it so, and the profiles of runs do; 1.3 says .../terms/ComputationalWorkflow.
    workflow = "https://bioschemas.org/ComputationalWorkflow"
    context["@context"]["ComputationalWorkflow"] = workflow

    def answer(self, url: str, **_) -> requests.Response:
        response = requests.Response()
        response.status_code, response.url = (200 if url == CRATE_CONTEXT else 504), url
        response.headers["Content-Type"] = "application/ld+json"
        response._content = json.dumps(context).encode() if url == CRATE_CONTEXT else b""
        return response

    HttpRequester.get = HttpRequester.head = answer
    result = services.validate(
        {
            "rocrate_uri": str(folder),
            "profile_identifier": "provenance-run-crate-0.5",
            "offline": True,
            "skip_availability_check": True,
        }
    )
    graph = Graph().parse(folder / "provenance/bids-prov.jsonld", format="json-ld")
    kinds = Counter(str(kind).rsplit("#", 1)[-1] for kind in graph.objects(None, RDF.type))
    predicates = Counter(str(name).rsplit("#", 1)[-1] for name in graph.predicates())
    issues = [f"{issue.check.identifier}: {issue.message}" for issue in result.get_issues()]
    told = {
        "passed": result.passed(),
        "issues": issues,
        "checks": len(result.executed_checks),
        "kinds": kinds,
        "predicates": predicates,
    }
    print(json.dumps(told))


if __name__ == "__main__":
    main()
