from commissure.report.results import QualityRecord
from commissure.report.sections.spectroscopy import reporting_lines


def record(*rows: tuple[str, object, str]) -> QualityRecord:
    table = [
        {"section": "2. Acquisition", "item": item, "value": value, "unit": unit}
        for item, value, unit in rows
    ]
    return QualityRecord("sub-01", "", "mrs", "sub-01", [], [], [], {}, table)


def text(*records: QualityRecord) -> dict[str, str]:
    return {line.item: line.text for line in reporting_lines(records)}


def test_common_values_stand_once_and_differing_ones_with_their_count() -> None:
    found = text(
        record(("Sequence", "PRESS", ""), ("Size", "20 x 20 x 20", "mm"), ("Shim", None, "")),
        record(("Sequence", "PRESS", ""), ("Size", "20 x 20 x 20", "mm"), ("Shim", None, "")),
        record(("Sequence", "sLASER", ""), ("Size", "20 x 20 x 20", "mm"), ("Shim", None, "")),
    )
    assert found == {"Sequence": "PRESS (2); sLASER (1)", "Size": "20 x 20 x 20 mm", "Shim": ""}


def test_numbers_are_a_median_with_their_range() -> None:
    widths = (0.04, 0.05, 0.09, None)
    found = text(*(record(("Width", width, "ppm")) for width in widths))
    assert found["Width"] == "median 0.0500 ppm (0.0400 to 0.0900); not known for 1 spectrum"


def test_without_spectra_there_is_no_table() -> None:
    assert reporting_lines([QualityRecord("sub-01", "", "dwi", "sub-01", [], [], [], {})]) == []
