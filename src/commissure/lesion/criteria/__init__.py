"""Response criteria: RECIST 1.1, RANO 2010 and 2.0, and RANO for brain metastases."""
