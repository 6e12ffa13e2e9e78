"""The training report as a page for people: sentences and plots first, the rest folded.

Made from the JSON report alone, whoever wrote it and whatever is in it: every text is escaped and
cut, every number may be missing. `report_page` puts the parts together.
"""
