"""Looking inside a dataset: estimators with exact bands, panels, figures, `ds.qtm`, and pages to browse."""
