"""Whether reference charts tell the truth about people and sites whom they have not seen."""
