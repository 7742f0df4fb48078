"""Charts by PCNtoolkit, run by ``benchmarks.normative`` with the Python of an environment of its own."""

import os
import sys
import time
import warnings
from pathlib import Path

os.environ["OMP_NUM_THREADS"] = "1"
warnings.filterwarnings("ignore")

import numpy as np  # noqa: E402
import pandas as pd  # noqa: E402

folder = Path(sys.argv[1])
given = np.load(folder / "in.npz", allow_pickle=False)
values, out = given["values"], given["out"]
names = [f"m{number}" for number in range(values.shape[1])]
table = pd.DataFrame(values, columns=names).assign(
    age=given["age"], sex=given["female"].astype(int).astype(str), site=given["site"]
)

from pcntoolkit import BLR, BsplineBasisFunction, NormativeModel, NormData  # noqa: E402

results = {}
started = time.process_time()
for label, options in {
    "warped": {"warp_name": "warpsinharcsinh", "warp_reparam": True},
    "warped, spread by age": {
        "warp_name": "warpsinharcsinh",
        "warp_reparam": True,
        "heteroskedastic": True,
        "basis_function_var": BsplineBasisFunction(basis_column=0, nknots=5, degree=3),
    },
}.items():
    data = {
        part: NormData.from_dataframe(
            name=part,
            dataframe=table[mask].reset_index(drop=True),
            covariates=["age"],
            batch_effects=["sex", "site"],
            response_vars=names,
        )
        for part, mask in (("train", ~out), ("test", out))
    }
    model = NormativeModel(
        BLR(
            name="blr",
            basis_function_mean=BsplineBasisFunction(basis_column=0, nknots=5, degree=3),
            fixed_effect=True,
            **options,
        ),
        inscaler="standardize",
        outscaler="standardize",
        savemodel=False,
        evaluate_model=False,
        saveresults=False,
        saveplots=False,
        save_dir=str(folder / "pcn"),
    )
    model.fit_predict(data["train"], data["test"])
    z = data["test"].Z.to_pandas()
    results[label] = z[names].to_numpy(float)
np.savez(folder / "out.npz", seconds=time.process_time() - started, **results)
