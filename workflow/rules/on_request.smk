# REQUIRED INPUTS:  what each of the files names
# OUTPUTS:          none that `rule all` asks for: they are made where they are named


include: "tolerances.smk"
include: "representation.smk"
