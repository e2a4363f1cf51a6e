"""Looking inside a dataset: estimators with exact bands, panels, figures, the accessor `ds.qtm`, and pages to browse."""
